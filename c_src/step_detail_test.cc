#include "step_detail.h"

#include <doctest/doctest.h>

namespace linx {
namespace {

TEST_CASE("a failed step names what it used") {
  Plan plan;
  plan.argv = {"/no/such", "a"};
  plan.cwd = "/nowhere";
  plan.uid = 7;
  CHECK(DetailOf(plan, Stage::execve, 0) == "/no/such");
  CHECK(DetailOf(plan, Stage::chdir, 0) == "/nowhere");
  CHECK(DetailOf(plan, Stage::uid, 0) == "7");
  CHECK(DetailOf(plan, Stage::rlimits, static_cast<int32_t>(RlimitName::nofile)) == "nofile");
  CHECK(DetailOf(plan, Stage::setsid, 0).empty());
  CHECK(DetailOf(plan, Stage::cap_drop_bounding, 21) == "cap_sys_admin");
  CHECK(DetailOf(plan, Stage::cap_set_ambient, 63) == "cap_63");
  CHECK(DetailOf(plan, Stage::cap_drop_bounding, -1).empty());
  CHECK(DetailOf(plan, Stage::seccomp_install, 1) == "filter 2");
  plan.path = "/bin/other";
  CHECK(DetailOf(plan, Stage::execve, 0) == "/bin/other");
}

}  // namespace
}  // namespace linx
