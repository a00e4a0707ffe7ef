// A further plan for an init that is there already.
//
// The init is a fork of the agent, so both have the region in which the agent copies plans at the
// same address: what leads from one place of it to another may be sent as it is.
#ifndef LINX_HANDOVER_H_
#define LINX_HANDOVER_H_

#include <cstddef>

#include "init.h"
#include "launch_memory.h"

namespace linx {

// The agent's half. Sends what `image` holds, with `plan` in it, and the fds that the plan names;
// where it leaves one of 0, 1, 2 as it is, that is the agent's. False where the init is gone.
bool SendPlan(int socket, const Region& image, const InitPlan& plan);

// What a message may carry: far below what a socket takes (net.core.wmem_default).
constexpr size_t kMaxHandover = 96u << 10;

// The init's half: waits for a plan. Its fds are the init's own, above 2 as long as those are in
// use. Null when the agent is gone.
const InitPlan* ReceivePlan(int socket, const InitImage& image);

}  // namespace linx

#endif  // LINX_HANDOVER_H_
