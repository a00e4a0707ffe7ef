// Capability names and numbers, from libcap.
#ifndef LINX_CAPABILITIES_H_
#define LINX_CAPABILITIES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace linx {

// The names by bit, such as cap_net_admin: all that libcap can name and the running kernel has.
std::vector<std::string> CapabilityNames();

// The bits that the running kernel has.
uint64_t AllCapabilities();

}  // namespace linx

#endif  // LINX_CAPABILITIES_H_
