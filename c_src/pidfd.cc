#include "pidfd.h"

#include <poll.h>
#include <sys/wait.h>

#include "raw_syscall.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace linx {

long SendSignal(int pidfd, int number) {
  return raw::Call(SYS_pidfd_send_signal, pidfd, number, nullptr, 0);
}

bool HasExited(int pidfd) {
  struct pollfd fd = {pidfd, POLLIN, 0};
  return poll(&fd, 1, 0) > 0;
}

int WaitFor(int pidfd, siginfo_t* info, int options, struct rusage* use) {
  info->si_pid = 0;
  // libc's waitid(3) does not pass the rusage on.
  if (raw::Call(SYS_waitid, P_PIDFD, pidfd, info, WEXITED | WNOHANG | options, use) < 0) return -1;
  return info->si_pid != 0 ? 1 : 0;
}

}  // namespace linx
