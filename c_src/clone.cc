#include "clone.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>

#include <cerrno>

#include "raw_syscall.h"

namespace linx {

long Fork(uint64_t flags, int* pidfd, int cgroup) {
  struct clone_args args = {};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uintptr_t>(pidfd);
  // A sibling made with CLONE_PARENT gets its maker's exit signal and may not name one.
  args.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(cgroup);
  }
  const long made = raw::Call(SYS_clone3, &args, sizeof(args));
  if (made != -ENOSYS) return made;
  if ((flags & CLONE_NEWTIME) != 0 || cgroup >= 0) return -ENOSYS;
  const unsigned long word = flags | CLONE_PIDFD | args.exit_signal;
  return raw::Call(SYS_clone, word, nullptr, pidfd, nullptr, nullptr);
}

Stage ForkStage(long answer, int cgroup) {
  if (cgroup < 0) return Stage::clone;
  switch (-answer) {
    case EACCES:      // no right to move processes there
    case EBUSY:       // it hands controllers on to those below, and may have no processes then
    case EOPNOTSUPP:  // it is of a kind that may not
    case ENODEV:      // it was removed
    case ENOENT:      // it is outside the delegated part
    case ENOSYS:
      return Stage::cgroup_clone;
    default:
      return Stage::clone;
  }
}

long CloneSharing(uint64_t flags, int (*run)(void*), void* argument, char* stack, size_t stack_size,
                  int* pidfd) {
  const int word = static_cast<int>(flags) | CLONE_VM | CLONE_PIDFD | SIGCHLD;
  const int made = ::clone(run, stack + stack_size, word, argument, pidfd);
  return made < 0 ? -errno : made;
}

}  // namespace linx
