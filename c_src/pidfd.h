// What the agent does to processes by their pidfds.
#ifndef LINX_PIDFD_H_
#define LINX_PIDFD_H_

#include <signal.h>
#include <sys/resource.h>

namespace linx {

// 0 or a negative errno; -ESRCH for one that is reaped.
long SendSignal(int pidfd, int number);

bool HasExited(int pidfd);

// Reaps a child that has died, or with WNOWAIT looks at it; `use` may be null. 1: dead, 0: alive,
// -1: not (or no longer) a child of the agent.
int WaitFor(int pidfd, siginfo_t* info, int options, struct rusage* use = nullptr);

}  // namespace linx

#endif  // LINX_PIDFD_H_
