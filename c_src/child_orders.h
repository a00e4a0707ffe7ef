// What a parked child is told to do to itself: capabilities and seccomp filters. Part of the
// child's half of a session, so no heap and no errno here either; failures are negative errnos.
#ifndef LINX_CHILD_ORDERS_H_
#define LINX_CHILD_ORDERS_H_

#include <cstddef>

#include "channel.h"

namespace linx {

// Which change of ids lies ahead of the child.
struct IdChange {
  bool any = false;         // uid or gid
  bool to_nonroot = false;  // to a uid other than 0
};

// What was ordered and waits for its place in the plan.
class ChildOrders {
 public:
  explicit ChildOrders(IdChange ids) : ids_(ids) {}

  // Carries out one record from the channel, or keeps it for later. A filter is tried at once and
  // kept. Capability orders take effect at once, so that a refusal is known while parked; but not
  // ahead of a change of ids, which needs the capabilities that they may take away.
  long Take(const char* record, size_t size);

  bool has_caps() const { return cap_count_ > 0; }
  bool has_filters() const { return filters_ != nullptr; }

  // After the change of ids, with kept capabilities: raises what is permitted to carry the kept
  // orders out, and afterwards takes what the kernel would have taken, unless an order named the
  // thread's sets. `*failed_at` tells which order it was that failed.
  long ApplyCaps(Stage* failed_at);

  // Puts the kept filters in force, in the order in which they came.
  long InstallFilters() const;

 private:
  long KeepFilter(const char* record, size_t size);

  IdChange ids_;
  Order caps_[kMaxCapCommands];
  size_t cap_count_ = 0;
  char* filters_ = nullptr;
  size_t filter_bytes_ = 0;
};

// Where the failure of an order is reported.
Stage StageOf(Order::Kind kind);

}  // namespace linx

#endif  // LINX_CHILD_ORDERS_H_
