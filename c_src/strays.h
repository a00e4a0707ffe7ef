// Processes that came to the agent because an init which should have held them is dead.
#ifndef LINX_STRAYS_H_
#define LINX_STRAYS_H_

#include "launch.h"

namespace linx {

// One pass over the agent's children that belong to no session: the dead are reaped, the living
// killed with all below them. True while there may be more, so that another pass is needed.
bool KillStrays(const Launcher& launcher);

// Reaps the dead among them, and idle inits that have died, and leaves the living alone: orphans of
// sessions without an init, which nobody promised to end. `hint` is a pid that died, or 0 to look
// through all children.
void ReapStrays(Launcher& launcher, pid_t hint);

}  // namespace linx

#endif  // LINX_STRAYS_H_
