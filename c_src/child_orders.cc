#include "child_orders.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "listener_handover.h"
#include "raw_syscall.h"

namespace linx {
namespace {

// Filters wait here for the end of the plan, each behind its header, in a mapping made for the
// first.
constexpr size_t kFilterStore = kMaxFilters * (sizeof(Order) + kMaxFilterBytes);

long Prctl(int option, unsigned long a = 0, unsigned long b = 0) {
  return raw::Call(SYS_prctl, option, a, b, 0, 0);
}

long InstallFilter(const char* program, size_t bytes, unsigned flags = 0) {
  struct sock_fprog prog = {};
  prog.len = static_cast<unsigned short>(bytes / 8);
  prog.filter = reinterpret_cast<struct sock_filter*>(const_cast<char*>(program));
  return raw::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

// Installs the filter in a process made for it. One that dies of the filter's own doing shows that
// the kernel took it.
long TryFilter(const char* program, size_t bytes) {
  const long pid = raw::Call(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (pid < 0) return pid;
  if (pid == 0) {
    Prctl(PR_SET_NO_NEW_PRIVS, 1);
    raw::Exit(static_cast<int>(-InstallFilter(program, bytes)));
  }
  int status = 0;
  while (raw::Call(SYS_wait4, pid, &status, 0, nullptr) == -EINTR) {
  }
  return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}

// The sets of capset(2), in the order of an Order's masks.
struct ThreadSets {
  uint64_t mask[3] = {};
};

long ReadThreadSets(ThreadSets* sets) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  const long rc = raw::Call(SYS_capget, &header, data);
  if (rc < 0) return rc;
  for (int i = 0; i < 2; ++i) {
    sets->mask[0] |= uint64_t{data[i].effective} << (32 * i);
    sets->mask[1] |= uint64_t{data[i].permitted} << (32 * i);
    sets->mask[2] |= uint64_t{data[i].inheritable} << (32 * i);
  }
  return 0;
}

long WriteThreadSets(const ThreadSets& sets) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<uint32_t>(sets.mask[0] >> (32 * i));
    data[i].permitted = static_cast<uint32_t>(sets.mask[1] >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(sets.mask[2] >> (32 * i));
  }
  return raw::Call(SYS_capset, &header, data);
}

// Sets what is given. An effective set that is not lies within what becomes permitted.
long SetThreadCaps(const Order& order) {
  ThreadSets sets;
  const long rc = ReadThreadSets(&sets);
  if (rc < 0) return rc;
  for (unsigned i = 0; i < 3; ++i) {
    if ((order.given >> i & 1) != 0) sets.mask[i] = order.mask[i];
  }
  if ((order.given & 1) == 0) sets.mask[0] &= sets.mask[1];
  return WriteThreadSets(sets);
}

long RaisePermitted() {
  ThreadSets sets;
  const long rc = ReadThreadSets(&sets);
  if (rc < 0) return rc;
  sets.mask[0] = sets.mask[1];
  return WriteThreadSets(sets);
}

long DropBounding(uint64_t mask, int32_t* failed) {
  for (int32_t cap = 0; cap < 64; ++cap) {
    if ((mask >> cap & 1) == 0) continue;
    *failed = cap;
    const long rc = Prctl(PR_CAPBSET_DROP, static_cast<unsigned long>(cap));
    if (rc < 0) return rc;
  }
  return 0;
}

long SetAmbient(uint64_t mask, int32_t* failed) {
  long rc = Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  for (int32_t cap = 0; cap < 64 && rc >= 0; ++cap) {
    if ((mask >> cap & 1) == 0) continue;
    *failed = cap;
    rc = Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, static_cast<unsigned long>(cap));
  }
  return rc;
}

// Besides those that are in force, some of which may be locked; but keep_caps, which is the
// child's own means.
long SetBits(uint64_t bits) {
  constexpr long kKeepCaps = 1 << 4;
  const long held = Prctl(PR_GET_SECUREBITS);
  if (held < 0) return held;
  return Prctl(PR_SET_SECUREBITS, static_cast<unsigned long>(held & ~kKeepCaps) | bits);
}

long ApplyCap(const Order& order, OrderFailure* failed) {
  *failed = {StageOf(order.kind), -1};
  switch (order.kind) {
    case Order::Kind::cap_drop_bounding:
      return DropBounding(order.mask[0], &failed->element);
    case Order::Kind::cap_set_thread:
      return SetThreadCaps(order);
    case Order::Kind::securebits:
      return SetBits(order.mask[0]);
    default:
      return SetAmbient(order.mask[0], &failed->element);
  }
}

}  // namespace

Stage StageOf(Order::Kind kind) {
  switch (kind) {
    case Order::Kind::cap_drop_bounding:
      return Stage::cap_drop_bounding;
    case Order::Kind::cap_set_thread:
      return Stage::cap_set_thread;
    case Order::Kind::cap_set_ambient:
      return Stage::cap_set_ambient;
    case Order::Kind::securebits:
      return Stage::securebits;
    default:
      return Stage::seccomp_install;
  }
}

long ChildOrders::Take(const char* record, size_t size, OrderFailure* failed) {
  Order order;
  std::memcpy(&order, record, sizeof(order));
  *failed = {StageOf(order.kind), filter_count_};
  if (order.kind == Order::Kind::filter) return KeepFilter(order, record, size);
  if (!ahead_.need_caps) return ApplyCap(order, failed);
  if (cap_count_ == kMaxCapCommands) return -ENOBUFS;
  caps_[cap_count_++] = order;
  return 0;
}

long ChildOrders::KeepFilter(const Order& order, const char* record, size_t size) {
  if (order.try_now != 0) {
    const long tried = TryFilter(record + sizeof(Order), size - sizeof(Order));
    if (tried < 0) return tried;
  }
  if (filters_ == nullptr) {
    const long at = raw::Call(SYS_mmap, nullptr, kFilterStore, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0) return at;
    filters_ = reinterpret_cast<char*>(at);
  }
  if (filter_bytes_ + size > kFilterStore) return -E2BIG;
  if (order.notify != 0) {
    notifying_ = filter_count_;
    notifying_at_ = filter_bytes_;
  }
  std::memcpy(filters_ + filter_bytes_, record, size);
  filter_bytes_ += size;
  ++filter_count_;
  return 0;
}

long ChildOrders::ApplyCaps(OrderFailure* failed) {
  if (cap_count_ == 0) return 0;
  *failed = {Stage::cap_set_thread, -1};
  long rc = RaisePermitted();
  bool named = false;
  for (size_t i = 0; i < cap_count_ && rc >= 0; ++i) {
    rc = ApplyCap(caps_[i], failed);
    named |= caps_[i].kind == Order::Kind::cap_set_thread ||
             caps_[i].kind == Order::Kind::cap_set_ambient;
  }
  if (rc >= 0 && !named && ahead_.to_nonroot) {
    *failed = {Stage::cap_set_thread, -1};
    rc = WriteThreadSets({});
  }
  return rc < 0 ? rc : 0;
}

long ChildOrders::InstallFilters(int channel, int32_t* failed) const {
  const long rc = notifying_ < 0 ? 0 : InstallNotifying(channel);
  *failed = notifying_;
  return rc < 0 ? rc : InstallPlainFilters(failed);
}

long ChildOrders::InstallNotifying(int channel) const {
  // Started ahead of the filter, which then does not bind it.
  ListenerHandover handover(channel);
  const long rc = handover.Begin();
  if (rc < 0) return rc;
  Order order;
  std::memcpy(&order, filters_ + notifying_at_, sizeof(order));
  const long listener = InstallFilter(filters_ + notifying_at_ + sizeof(order), order.size,
                                      SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (listener < 0) return listener;
  handover.Give(static_cast<int>(listener));
  return 0;
}

long ChildOrders::InstallPlainFilters(int32_t* failed) const {
  *failed = 0;
  for (size_t at = 0; at < filter_bytes_; ++*failed) {
    Order order;
    std::memcpy(&order, filters_ + at, sizeof(order));
    at += sizeof(order);
    const long rc = order.notify != 0 ? 0 : InstallFilter(filters_ + at, order.size);
    if (rc < 0) return rc;
    at += order.size;
  }
  return 0;
}

}  // namespace linx
