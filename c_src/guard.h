// The agent's parent, which does nothing but wait: the last that can still reach a session's
// processes when the agent and an init die together. It is a child subreaper, so what they leave
// behind comes to it.
#ifndef LINX_GUARD_H_
#define LINX_GUARD_H_

#include "result.h"
#include "spare_table.h"

namespace linx {

// Forks. Returns in the child, which is the agent: SIGTERM is its death signal should the guard
// die. In the parent it does not return: the guard exits as the agent does, with its code, or with
// 128 + n where signal n killed it; then everything but what `spares` names is killed first.
// Errors: fork.
Status StandGuard(SpareTable& spares);

}  // namespace linx

#endif  // LINX_GUARD_H_
