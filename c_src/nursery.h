// A process that makes children for the agent ahead of the spawns which need them.
//
// It is a fork of the agent without the agent's heap, and each child runs in its memory until the
// child execs. So a child that is parked is where no other session's secrets are, and yet costs no
// copy of page tables. The children are the agent's own: the nursery's siblings, by CLONE_PARENT.
#ifndef LINX_NURSERY_H_
#define LINX_NURSERY_H_

#include "child.h"

namespace linx {

// Never returns; ends with `control`. A message of any one byte has the last child's plan wiped, so
// that child must have exec'd or died. If the message has a channel's end with it, a child is made
// that waits for its plan on this channel, see RunStandby. The answer is a `launched` report with
// its pidfd.
[[noreturn]] void RunNursery(int control, const PlanImage& image);

}  // namespace linx

#endif  // LINX_NURSERY_H_
