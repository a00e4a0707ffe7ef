#include "capabilities.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "test_process.h"

namespace linx {
namespace {

size_t KernelCount() { return std::stoul(test::ReadFile("/proc/sys/kernel/cap_last_cap")) + 1; }

TEST_CASE("the names are libcap's, in the order of their bits") {
  const std::vector<std::string> names = CapabilityNames();
  REQUIRE(names.size() >= 38);
  CHECK(names.size() <= KernelCount());
  CHECK(names[0] == "cap_chown");
  CHECK(names[12] == "cap_net_admin");
  CHECK(names[21] == "cap_sys_admin");
  CHECK(names[37] == "cap_audit_read");
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("all capabilities are those that the kernel has") {
  const size_t count = KernelCount();
  CHECK(AllCapabilities() == (uint64_t{1} << count) - 1);
}

TEST_CASE("a thread has no capability beyond them") {
  CHECK((test::StatusMask(getpid(), "CapBnd") & ~AllCapabilities()) == 0);
}

}  // namespace
}  // namespace linx
