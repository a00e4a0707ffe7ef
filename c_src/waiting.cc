#include "waiting.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "channel.h"
#include "close_fds.h"
#include "init.h"
#include "raw_syscall.h"

// Where the linker has put the program's code.
extern "C" const char __executable_start[], etext[];

namespace linx {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArch = 0;
#endif

// Sanitizers look at memory of their own all the time.
#ifdef LINX_SANITIZED
constexpr bool kMayUnmap = false;
#else
constexpr bool kMayUnmap = true;
#endif

constexpr size_t kFilterSize = 12;

// More stack than the calls take that it still makes then.
constexpr size_t kCalls = 1024;

struct Range {
  uintptr_t begin, end;
};

// All that it still needs once its memory is gone: on its stack, in as few pages as can be.
struct Own {
  char title[kMaxTitle + 1];
  uint64_t no_signals;
  struct sock_filter filter[kFilterSize];
  struct sock_fprog program;
  Range unmapped[3];
  uintptr_t unmapped_from;  // to the end of user memory
  uintptr_t page;
  Report failed;
};

long Prctl(int option, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0) {
  return raw::Call(SYS_prctl, option, a, b, c, 0);
}

// An ambient capability goes with the others.
long DropCapabilities() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const struct __user_cap_data_struct none[2] = {};
  return raw::Call(SYS_capset, &header, none);
}

// All else that prctl_set_mm_map wants to know lies there too: nothing but the arguments is used,
// and there is no environment.
long SetTitle(const char* title, size_t size) {
  const auto at = reinterpret_cast<uintptr_t>(title);
  struct prctl_mm_map map = {};
  map.start_code = map.start_data = map.end_data = map.start_stack = map.arg_start = at;
  map.end_code = map.start_brk = map.brk = at + 1;
  map.arg_end = map.env_start = map.env_end = at + size + 1;
  map.exe_fd = ~0u;
  const long rc = Prctl(PR_SET_MM, PR_SET_MM_MAP, reinterpret_cast<uintptr_t>(&map), sizeof(map));
  return rc < 0 ? rc : Prctl(PR_SET_NAME, at);
}

// Waiting, exiting, and the close of the channel, which tells that the filter is in force.
void MakeFilter(int channel, Own* own) {
  const auto size = static_cast<uint8_t>(kFilterSize);
  const uint8_t allow = size - 1;
  const auto to = [](size_t from, uint8_t target) {
    return static_cast<uint8_t>(target - from - 1);
  };
  const auto at = [](size_t field) { return static_cast<uint32_t>(field); };
  const struct sock_filter filter[kFilterSize] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(struct seccomp_data, arch))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(struct seccomp_data, nr))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigsuspend, to(4, allow), 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, to(5, allow), 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, to(6, allow), 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(struct seccomp_data, args))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(channel), to(9, allow), 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  std::memcpy(own->filter, filter, sizeof(filter));
  own->program.len = size;
  own->program.filter = own->filter;
}

// These return when the thread's memory is gone: they have no array, and so no stack protector,
// whose word lies there.
long Unmap(uintptr_t begin, uintptr_t end) {
  return begin < end ? raw::Call(SYS_munmap, begin, end - begin) : 0;
}

// The end of user memory is not told: it is the highest that the kernel takes.
long UnmapFrom(uintptr_t begin, uintptr_t page) {
  long rc = -EINVAL;
  for (int bits = 56; rc == -EINVAL && bits > 35; --bits) {
    rc = Unmap(begin, (uintptr_t{1} << bits) - page);
  }
  return rc;
}

// What the kernel goes on writing to for this thread, since glibc has asked it to: rseq(2).
Range Rseq() {
#ifdef RSEQ_SIG
  const auto at = reinterpret_cast<uintptr_t>(__builtin_thread_pointer()) +
                  static_cast<uintptr_t>(__rseq_offset);
  return {at, at + sizeof(struct rseq)};
#else
  return {};
#endif
}

// What remains: the program's code, that, and the caller's frame, which ends where those of its own
// `callers` begin. Nobody returns to these; what they leave in the last page is wiped.
[[gnu::noinline]] void PlanUnmapping(Own* own, char* callers) {
  const auto page = static_cast<uintptr_t>(getauxval(AT_PAGESZ));
  const auto pages = [page](Range bytes) -> Range {
    return {bytes.begin & ~(page - 1), (bytes.end + page - 1) & ~(page - 1)};
  };
  const auto at = [](const void* place) { return reinterpret_cast<uintptr_t>(place); };
  Range kept[] = {pages({at(__executable_start), at(etext)}), pages(Rseq()),
                  pages({at(__builtin_dwarf_cfa()) - kCalls, at(callers)})};
  auto* end = reinterpret_cast<volatile char*>(kept[2].end);
  for (volatile char* byte = callers; byte < end; ++byte) *byte = 0;
  std::sort(kept, kept + 3, [](Range a, Range b) { return a.begin < b.begin; });
  for (int i = 0; i < 3; ++i) own->unmapped[i] = {i == 0 ? 0 : kept[i - 1].end, kept[i].begin};
  own->unmapped_from = kept[2].end;
  own->page = page;
}

}  // namespace

long DropWholeBoundingSet() {
  long rc = 0;
  for (unsigned long cap = 0; rc == 0 && cap < 64; ++cap) rc = Prctl(PR_CAPBSET_DROP, cap);
  // The kernel has no more of them; or nobody may.
  return rc == -EINVAL || rc == -EPERM ? 0 : rc;
}

[[gnu::noinline]] void Wait(const char* title, int channel) {
  Own own = {};
  const size_t size = std::strlen(title);
  std::memcpy(own.title, title, size);
  MakeFilter(channel, &own);
  own.failed.kind = Report::Kind::failed;
  own.failed.stage = Stage::wait;

  if (kArch == 0) ReportFailure(channel, Stage::wait, -ENOSYS);
  if (const long rc = SetTitle(own.title, size); rc < 0) ReportFailure(channel, Stage::title, rc);
  int kept[] = {channel};
  for (const long rc : {DropCapabilities(), Prctl(PR_SET_NO_NEW_PRIVS, 1),
                        Prctl(PR_SET_DUMPABLE, 0), CloseAllBut(0, kept, 1)}) {
    if (rc < 0) ReportFailure(channel, Stage::wait, rc);
  }
  PlanUnmapping(&own, static_cast<char*>(__builtin_dwarf_cfa()));
  // From here on there is code and this stack, and nothing else: no constant, no thread's memory.
  long rc = 0;
  for (int i = 0; kMayUnmap && rc == 0 && i < 3; ++i) {
    rc = Unmap(own.unmapped[i].begin, own.unmapped[i].end);
  }
  if (kMayUnmap && rc == 0) rc = UnmapFrom(own.unmapped_from, own.page);
  if (rc == 0) rc = raw::Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &own.program);
  if (rc < 0) {
    own.failed.code = static_cast<int32_t>(-rc);
    raw::Call(SYS_write, channel, &own.failed, sizeof(own.failed));
    raw::Exit(kNotReached);
  }
  raw::Call(SYS_close, channel);
  for (;;) raw::Call(SYS_rt_sigsuspend, &own.no_signals, sizeof(own.no_signals));
}

bool EndedWaiting(int code, int status) {
  if (code == CLD_EXITED) return false;
  // What cannot be blocked.
  switch (status) {
    case SIGKILL:
    case SIGSYS:
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
      return false;
    default:
      return true;
  }
}

}  // namespace linx
