// What this agent can do on the kernel it runs on.
#ifndef LINX_KERNEL_FEATURES_H_
#define LINX_KERNEL_FEATURES_H_

#include <vector>

#include "leaves.h"
#include "protocol.h"

namespace linx {

// The system calls that the running kernel knows, seccomp filters, landlock; and sealed_self: the
// agent runs from memory that no workload can write.
std::vector<Feature> Features(Leaves& leaves);

}  // namespace linx

#endif  // LINX_KERNEL_FEATURES_H_
