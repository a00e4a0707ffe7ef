// A plan on its way to a process that is there already: an init, or a child that stands by.
//
// Both are forks of the agent, so they have the region in which the agent copies plans at the same
// address: what leads from one place of it to another may be sent as it is.
#ifndef LINX_HANDOVER_H_
#define LINX_HANDOVER_H_

#include <cstddef>

#include "init.h"
#include "launch_memory.h"

namespace linx {

// The agent's half. Each sends what `image` holds, with `plan` in it, and the fds that the plan
// names. False where the receiver is gone. Where the plan leaves one of 0, 1, 2 as it is, an init
// gets the agent's.
bool SendPlan(int socket, const Region& image, const InitPlan& plan);
bool SendPlan(int socket, const Region& image, ChildPlan* plan);

// What a message may carry: far below what a socket takes (net.core.wmem_default).
constexpr size_t kMaxHandover = 96u << 10;

// The receiver's half: each waits for a plan. Its fds are the receiver's own, above 2 as long as
// those are in use. Null when the agent is gone.
const InitPlan* ReceiveInitPlan(int socket, const PlanImage& image);
const ChildPlan* ReceiveChildPlan(int socket, PlanImage* image);

}  // namespace linx

#endif  // LINX_HANDOVER_H_
