// A parent that does nothing but wait. It is a child subreaper: what its child leaves behind when
// it is killed comes to the guard, which kills it. The agent has one, so that a session's processes
// can still be reached when the agent and an init die together. An init in a pid namespace that was
// entered has one, because what it leaves behind would otherwise go to that namespace's PID 1,
// where nobody looks for it.
#ifndef LINX_GUARD_H_
#define LINX_GUARD_H_

#include "leaf_parents.h"
#include "result.h"
#include "spare_table.h"

namespace linx {

// Forks. Returns in the child, which is the agent: SIGTERM is its death signal should the guard
// die. In the parent it does not return: the guard exits as the agent does, with its code, or with
// 128 + n where signal n killed it; then everything but what `spares` names is killed first, and
// the agent's leaves in `parents` are removed. Errors: fork.
Status StandGuard(const SpareTable& spares, const LeafParents& parents);

// The same for an init, without a heap; nothing is spared. `proc_fd` shows the host's processes.
// Returns 0 in the child, which is the init, or a negative errno.
long StandGuardOverInit(int proc_fd);

}  // namespace linx

#endif  // LINX_GUARD_H_
