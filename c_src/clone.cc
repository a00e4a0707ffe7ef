#include "clone.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>

#include <cerrno>

#include "raw_syscall.h"

namespace linx {

long Fork(uint64_t flags, int* pidfd) {
  struct clone_args args = {};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uintptr_t>(pidfd);
  // A sibling made with CLONE_PARENT gets its maker's exit signal and may not name one.
  args.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  const long made = raw::Call(SYS_clone3, &args, sizeof(args));
  if (made != -ENOSYS) return made;
  if ((flags & CLONE_NEWTIME) != 0) return -ENOSYS;
  const unsigned long word = flags | CLONE_PIDFD | args.exit_signal;
  return raw::Call(SYS_clone, word, nullptr, pidfd, nullptr, nullptr);
}

long CloneSharing(uint64_t flags, int (*run)(void*), void* argument, char* stack, size_t stack_size,
                  int* pidfd) {
  const int word = static_cast<int>(flags) | CLONE_VM | CLONE_PIDFD | SIGCHLD;
  const int made = ::clone(run, stack + stack_size, word, argument, pidfd);
  return made < 0 ? -errno : made;
}

}  // namespace linx
