// Capability names, numbers and sets, from libcap.
#ifndef LINX_CAPABILITIES_H_
#define LINX_CAPABILITIES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace linx {

// The names by bit, such as cap_net_admin: all that libcap can name and the running kernel has.
std::vector<std::string> CapabilityNames();

// The name of one, `cap_63` where libcap has none; empty for what is no capability.
std::string CapabilityName(int cap);

// The bits that the running kernel has.
uint64_t AllCapabilities();

// Whether the calling thread may use the capability of this number, a CAP_*.
bool HasEffective(int cap);

// Empties the calling thread's inheritable set, and with it the ambient one: an exec would pass
// them on.
void EmptyInheritableSet();

}  // namespace linx

#endif  // LINX_CAPABILITIES_H_
