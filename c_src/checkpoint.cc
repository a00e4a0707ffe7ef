#include "checkpoint.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstring>

#include "capabilities.h"
#include "seccomp_rules.h"

namespace linx {
namespace {

std::string Record(const Order& order, const std::string& body = {}) {
  std::string record(reinterpret_cast<const char*>(&order), sizeof(order));
  return record += body;
}

// Whether a program may answer that somebody else is to be asked.
bool Notifies(const std::string& bpf) {
  for (size_t at = 0; at + sizeof(struct sock_filter) <= bpf.size();
       at += sizeof(struct sock_filter)) {
    struct sock_filter instruction;
    std::memcpy(&instruction, bpf.data() + at, sizeof(instruction));
    if (instruction.code == (BPF_RET | BPF_K) &&
        (instruction.k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF) {
      return true;
    }
  }
  return false;
}

// The stage that a refused restriction fails at; nothing for any other command.
std::optional<Stage> RestrictionOf(std::string_view name) {
  CommandName command;
  if (!Find(name, &command)) return {};
  switch (command) {
    case CommandName::cap_drop_bounding:
      return Stage::cap_drop_bounding;
    case CommandName::cap_set_thread:
      return Stage::cap_set_thread;
    case CommandName::cap_set_ambient:
      return Stage::cap_set_ambient;
    case CommandName::seccomp_install:
    case CommandName::seccomp_rules:
      return Stage::seccomp_install;
    default:
      return {};
  }
}

}  // namespace

Checkpoint::Ordered Checkpoint::Take(const Proceed&) {
  if (passed_) return Refusal{EBUSY, {}};
  passed_ = true;
  return ProceedRecord();
}

std::string Checkpoint::ProceedRecord() {
  Order order = {};
  order.kind = Order::Kind::proceed;
  return Record(order);
}

Checkpoint::Ordered Checkpoint::TakeCaps(Order order) {
  if (passed_) return Refusal{EBUSY, {}};
  if (((order.mask[0] | order.mask[1] | order.mask[2]) & ~AllCapabilities()) != 0) {
    return Refusal{EINVAL, "no such capability"};
  }
  if (cap_orders_ == kMaxCapCommands) return Refusal{ENOBUFS, {}};
  ++cap_orders_;
  return Record(order);
}

Checkpoint::Ordered Checkpoint::Take(const CapDropBounding& caps) {
  return TakeCaps({Order::Kind::cap_drop_bounding, 0, 0, 0, {caps.mask}, 0});
}

Checkpoint::Ordered Checkpoint::Take(const CapSetThread& caps) {
  return Take(CapSetSome{caps.effective, caps.permitted, caps.inheritable});
}

Checkpoint::Ordered Checkpoint::Take(const CapSetSome& caps) {
  Order order = {Order::Kind::cap_set_thread, 0, 0, 0, {}, 0};
  const std::optional<uint64_t> sets[] = {caps.effective, caps.permitted, caps.inheritable};
  for (size_t i = 0; i < 3; ++i) {
    if (!sets[i]) continue;
    order.given |= 1u << i;
    order.mask[i] = *sets[i];
  }
  return TakeCaps(order);
}

Checkpoint::Ordered Checkpoint::Take(const CapSetAmbient& caps) {
  return TakeCaps({Order::Kind::cap_set_ambient, 0, 0, 0, {caps.mask}, 0});
}

Checkpoint::Ordered Checkpoint::Take(const SetSecurebits& bits) {
  return TakeCaps({Order::Kind::securebits, 0, 0, 0, {bits.bits}, 0});
}

Checkpoint::Ordered Checkpoint::TakeFilter(const std::string& bpf) {
  if (filters_ == kMaxFilters) return Refusal{ENOBUFS, {}};
  Order order = {};
  order.kind = Order::Kind::filter;
  order.size = static_cast<uint32_t>(bpf.size());
  order.try_now = waits_ ? 1 : 0;
  if (Notifies(bpf)) {
    // The kernel lets a process have one listener.
    if (notifies_) return Refusal{EBUSY, "a filter with :notify is there already"};
    notifies_ = true;
    order.notify = 1;
  }
  ++filters_;
  return Record(order, bpf);
}

Checkpoint::Ordered Checkpoint::Take(const SeccompInstall& filter) {
  if (passed_) return Refusal{EBUSY, {}};
  return TakeFilter(filter.bpf);
}

Checkpoint::Ordered Checkpoint::Take(const SeccompRules& rules) {
  if (passed_) return Refusal{EBUSY, {}};
  const Result<std::string> bpf = CompileSeccomp(rules);
  if (!bpf.ok()) return Refusal{bpf.error().code, bpf.error().detail};
  return TakeFilter(bpf.value());
}

void Checkpoint::NoteRefusal(int code, std::string_view name, std::string_view detail) {
  if (closed_ || !fail_closed_) return;
  const std::optional<Stage> stage = RestrictionOf(name);
  if (stage) closed_ = Error::Of(*stage, code, std::string(detail));
}

}  // namespace linx
