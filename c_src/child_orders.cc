#include "child_orders.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "raw_syscall.h"

#ifndef SECCOMP_SET_MODE_FILTER
#define SECCOMP_SET_MODE_FILTER 1
#endif

namespace linx {
namespace {

// Filters wait here for the end of the plan, each behind its header, in a mapping made for the
// first.
constexpr size_t kFilterStore = kMaxFilters * (sizeof(Order) + kMaxFilterBytes);

long Prctl(int option, unsigned long a = 0, unsigned long b = 0) {
  return raw::Call(SYS_prctl, option, a, b, 0, 0);
}

long InstallFilter(const char* program, size_t bytes) {
  struct sock_fprog prog = {};
  prog.len = static_cast<unsigned short>(bytes / 8);
  prog.filter = reinterpret_cast<struct sock_filter*>(const_cast<char*>(program));
  return raw::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
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

long SetThreadCaps(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<uint32_t>(effective >> (32 * i));
    data[i].permitted = static_cast<uint32_t>(permitted >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(inheritable >> (32 * i));
  }
  return raw::Call(SYS_capset, &header, data);
}

long RaisePermitted() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  const long rc = raw::Call(SYS_capget, &header, data);
  if (rc < 0) return rc;
  for (auto& half : data) half.effective = half.permitted;
  return raw::Call(SYS_capset, &header, data);
}

long DropBounding(uint64_t mask) {
  for (unsigned long cap = 0; cap < 64; ++cap) {
    if ((mask >> cap & 1) == 0) continue;
    const long rc = Prctl(PR_CAPBSET_DROP, cap);
    if (rc < 0) return rc;
  }
  return 0;
}

long SetAmbient(uint64_t mask) {
  long rc = Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  for (unsigned long cap = 0; cap < 64 && rc >= 0; ++cap) {
    if ((mask >> cap & 1) != 0) rc = Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
  }
  return rc;
}

long ApplyCap(const Order& order) {
  switch (order.kind) {
    case Order::Kind::cap_drop_bounding:
      return DropBounding(order.mask[0]);
    case Order::Kind::cap_set_thread:
      return SetThreadCaps(order.mask[0], order.mask[1], order.mask[2]);
    default:
      return SetAmbient(order.mask[0]);
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
    default:
      return Stage::seccomp_install;
  }
}

long ChildOrders::Take(const char* record, size_t size) {
  Order order;
  std::memcpy(&order, record, sizeof(order));
  if (order.kind == Order::Kind::filter) return KeepFilter(record, size);
  if (!ids_.any) return ApplyCap(order);
  if (cap_count_ == kMaxCapCommands) return -ENOBUFS;
  caps_[cap_count_++] = order;
  return 0;
}

long ChildOrders::KeepFilter(const char* record, size_t size) {
  const long tried = TryFilter(record + sizeof(Order), size - sizeof(Order));
  if (tried < 0) return tried;
  if (filters_ == nullptr) {
    const long at = raw::Call(SYS_mmap, nullptr, kFilterStore, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0) return at;
    filters_ = reinterpret_cast<char*>(at);
  }
  if (filter_bytes_ + size > kFilterStore) return -E2BIG;
  std::memcpy(filters_ + filter_bytes_, record, size);
  filter_bytes_ += size;
  return 0;
}

long ChildOrders::ApplyCaps(Stage* failed_at) {
  if (cap_count_ == 0) return 0;
  *failed_at = Stage::cap_set_thread;
  long rc = RaisePermitted();
  bool named = false;
  for (size_t i = 0; i < cap_count_ && rc >= 0; ++i) {
    *failed_at = StageOf(caps_[i].kind);
    rc = ApplyCap(caps_[i]);
    named |= caps_[i].kind != Order::Kind::cap_drop_bounding;
  }
  if (rc >= 0 && !named && ids_.to_nonroot) {
    *failed_at = Stage::cap_set_thread;
    rc = SetThreadCaps(0, 0, 0);
  }
  return rc < 0 ? rc : 0;
}

long ChildOrders::InstallFilters() const {
  for (size_t at = 0; at < filter_bytes_;) {
    Order order;
    std::memcpy(&order, filters_ + at, sizeof(order));
    at += sizeof(order);
    const long rc = InstallFilter(filters_ + at, order.size);
    if (rc < 0) return rc;
    at += order.size;
  }
  return 0;
}

}  // namespace linx
