// Making processes: clone3(2), with clone(2) where a filter or an old kernel denies clone3. No
// heap, no errno, so that the init and the enter helper use it too.
#ifndef LINX_CLONE_H_
#define LINX_CLONE_H_

#include <cstddef>
#include <cstdint>

#include "protocol.h"

namespace linx {

// Forks with the given CLONE_NEW*, CLONE_PARENT and CLONE_FILES flags, into a cgroup v2 where
// `cgroup` is the fd of its directory. Returns the pid in the parent, with `*pidfd` (close-on-exec,
// the caller's to close) set; 0 in the child; a negative errno otherwise: -ENOSYS where there is no
// clone3 and a cgroup is asked for, or a time namespace, whose flag clone would take for a part of
// the exit signal.
long Fork(uint64_t flags, int* pidfd, int cgroup = -1);

// The stage at which a Fork with this answer failed.
Stage ForkStage(long answer, int cgroup);

// Starts `run(argument)` in a process that shares the caller's memory until it execs or ends, on
// the given stack. Unlike vfork the caller goes on at once: the stack and all that `argument` leads
// to must stay until the child has exec'd or died. `flags` are CLONE_FILES and CLONE_NEW*, but not
// CLONE_NEWTIME. Returns as Fork does, never 0.
long CloneSharing(uint64_t flags, int (*run)(void*), void* argument, char* stack, size_t stack_size,
                  int* pidfd);

}  // namespace linx

#endif  // LINX_CLONE_H_
