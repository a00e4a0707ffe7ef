#include "capabilities.h"

#include <sys/capability.h>

#include <cstring>

namespace linx {

std::vector<std::string> CapabilityNames() {
  std::vector<std::string> names;
  for (int cap = 0; cap < cap_max_bits(); ++cap) {
    char* name = cap_to_name(cap);
    if (name == nullptr) break;
    // A capability that libcap is too old for comes back as its number.
    if (std::strncmp(name, "cap_", 4) == 0) names.emplace_back(name);
    cap_free(name);
  }
  return names;
}

bool HasEffective(int cap) {
  cap_t sets = cap_get_proc();
  if (sets == nullptr) return false;
  cap_flag_value_t value = CAP_CLEAR;
  const bool has = cap_get_flag(sets, cap, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
  cap_free(sets);
  return has;
}

std::string CapabilityName(int cap) {
  if (cap < 0 || cap >= 64) return {};
  const std::vector<std::string> names = CapabilityNames();
  const auto index = static_cast<size_t>(cap);
  return index < names.size() ? names[index] : "cap_" + std::to_string(cap);
}

void EmptyInheritableSet() {
  cap_t sets = cap_get_proc();
  if (sets == nullptr) return;
  // Taking away is always allowed, and takes the ambient set along.
  cap_clear_flag(sets, CAP_INHERITABLE);
  cap_set_proc(sets);
  cap_free(sets);
}

uint64_t AllCapabilities() {
  const int bits = cap_max_bits();
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

}  // namespace linx
