// What this agent can do on the kernel it runs on, tried once.
#ifndef LINX_KERNEL_FEATURES_H_
#define LINX_KERNEL_FEATURES_H_

#include <string_view>
#include <vector>

namespace linx {

// Atoms of the `features` in hello: clone3, pidfd, close_range, seccomp, landlock, sealed_self (the
// agent runs from memory that no workload can write).
const std::vector<std::string_view>& Features();

}  // namespace linx

#endif  // LINX_KERNEL_FEATURES_H_
