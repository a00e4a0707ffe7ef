// What a session's parked child may be ordered: commands become orders for it, within limits, as
// long as it has not been told to proceed.
#ifndef LINX_CHECKPOINT_H_
#define LINX_CHECKPOINT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "channel.h"
#include "command.h"
#include "result.h"

namespace linx {

// Why a command is not carried out: an errno, and what about it.
struct Refusal {
  int code;
  std::string detail;
};

// What only a request asks for, never a command.
struct CapSetSome {
  std::optional<uint64_t> effective, permitted, inheritable;
};
struct SetSecurebits {
  uint64_t bits;
};

class Checkpoint {
 public:
  // `fail_closed`: after a refused restriction there is no proceeding. `waits`: somebody may act
  // on the child before it proceeds; nobody is told ahead of time of a bad filter otherwise.
  explicit Checkpoint(bool fail_closed, bool waits = true)
      : fail_closed_(fail_closed), waits_(waits) {}

  // A record for the child's channel, or why there is none.
  using Ordered = std::variant<std::string, Refusal>;
  Ordered Take(const Proceed&);
  Ordered Take(const CapDropBounding& caps);
  Ordered Take(const CapSetThread& caps);
  Ordered Take(const CapSetSome& caps);
  Ordered Take(const CapSetAmbient& caps);
  Ordered Take(const SetSecurebits& bits);
  Ordered Take(const SeccompInstall& filter);
  Ordered Take(const SeccompRules& rules);

  // The record by itself, for one that was passed before its child could be let go.
  static std::string ProceedRecord();

  // Notes that a command was refused, by whomever, as `name`.
  void NoteRefusal(int code, std::string_view name, std::string_view detail);
  // The first refusal that keeps the child from proceeding, as the error that it ends with.
  const std::optional<Error>& closed() const { return closed_; }

  // Whether proceed was said, by the BEAM or by the plan.
  bool passed() const { return passed_; }
  void Pass() { passed_ = true; }

 private:
  Ordered TakeCaps(Order order);
  Ordered TakeFilter(const std::string& bpf);

  const bool fail_closed_, waits_;
  bool passed_ = false;
  size_t cap_orders_ = 0, filters_ = 0;
  bool notifies_ = false;
  std::optional<Error> closed_;
};

}  // namespace linx

#endif  // LINX_CHECKPOINT_H_
