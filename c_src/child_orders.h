// What a parked child is told to do to itself: capabilities and seccomp filters. Part of the
// child's half of a session, so no heap and no errno here either; failures are negative errnos.
#ifndef LINX_CHILD_ORDERS_H_
#define LINX_CHILD_ORDERS_H_

#include <cstddef>

#include "channel.h"

namespace linx {

// What of the child's own plan lies ahead of it.
struct StepsAhead {
  bool need_caps = false;   // some may need the capabilities that orders take
  bool to_nonroot = false;  // a uid other than 0
};

// What failed of the orders.
struct OrderFailure {
  Stage stage;
  int32_t element;  // the capability or the filter, -1 where it is no single one
};

// What was ordered and waits for its place in the plan.
class ChildOrders {
 public:
  explicit ChildOrders(StepsAhead ahead) : ahead_(ahead) {}

  // Carries out one record from the channel, or keeps it for later. A filter is kept, and
  // tried at once where the order says so. Orders for capabilities and securebits take effect at
  // once, so that a refusal is known while parked; but not ahead of steps that need the
  // capabilities which they may take away.
  long Take(const char* record, size_t size, OrderFailure* failed);

  bool has_caps() const { return cap_count_ > 0; }
  bool has_filters() const { return filters_ != nullptr; }

  // After those steps, with capabilities kept across a change of ids: raises what is permitted to
  // carry the kept orders out, and afterwards takes what the kernel would have taken, unless an
  // order named the thread's sets.
  long ApplyCaps(OrderFailure* failed);

  // Puts the kept filters in force: first the one that has calls notified, whose listener goes
  // through the channel and whose owner then lets pass what the child does; the others in the order
  // in which they came, of which each has to allow the next. What failed is `*failed`.
  long InstallFilters(int channel, int32_t* failed) const;

 private:
  long KeepFilter(const Order& order, const char* record, size_t size);
  long InstallPlainFilters(int32_t* failed) const;
  long InstallNotifying(int channel) const;

  StepsAhead ahead_;
  Order caps_[kMaxCapCommands];
  size_t cap_count_ = 0;
  char* filters_ = nullptr;
  size_t filter_bytes_ = 0;
  int32_t filter_count_ = 0;
  // Which of them has calls notified, and where it lies; -1: none.
  int32_t notifying_ = -1;
  size_t notifying_at_ = 0;
};

// Where the failure of an order is reported.
Stage StageOf(Order::Kind kind);

}  // namespace linx

#endif  // LINX_CHILD_ORDERS_H_
