// Copies what a child needs of a plan out of the heap.
#ifndef LINX_CHILD_IMAGE_H_
#define LINX_CHILD_IMAGE_H_

#include <cstddef>

#include "child.h"
#include "launch_memory.h"
#include "request.h"

namespace linx {

// How many bytes CopyPlan takes from a region at most.
size_t ChildImageSize(const Plan& plan);

// The ids, strings and flags of `plan`; the fds are the launch's to fill in. Everything it points
// to is in `region`, which has ChildImageSize bytes left, or is the agent's own environment.
ChildPlan* CopyPlan(const Plan& plan, Region* region);

}  // namespace linx

#endif  // LINX_CHILD_IMAGE_H_
