#include "leaf.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "test_cgroup.h"
#include "test_listener.h"

namespace linx {
namespace {

using test::Cgroup;
using test::Eventually;

test::Process Sleeper() {
  return test::ForkProcess([] {
    signal(SIGTERM, SIG_IGN);
    for (;;) pause();
    return 0;
  });
}

TEST_CASE("a leaf is a directory, removed with its owner") {
  if (!test::HasLeaves()) return;
  const Cgroup cgroup("leaf");
  {
    Result<Leaf> made = Leaf::Make(cgroup.path, "one");
    REQUIRE(made.ok());
    const Leaf leaf = made.Take();
    CHECK(leaf.path() == cgroup.path + "/one");
    CHECK(cgroup.Below() == std::set<std::string>{"one"});
    CHECK_FALSE(leaf.populated());
    CHECK_FALSE(leaf.frozen());
    const Result<Leaf> again = Leaf::Make(cgroup.path, "one");
    REQUIRE_FALSE(again.ok());
    CHECK(again.error().stage == Stage::cgroup_mkdir);
    CHECK(again.error().code == EEXIST);
    CHECK(again.error().detail == cgroup.path + "/one");
  }
  CHECK(cgroup.Below().empty());
}

TEST_CASE("what is placed in a leaf can be frozen and killed, and keeps it") {
  if (!test::HasLeaves()) return;
  const Cgroup cgroup("kill");
  test::Process process = Sleeper();
  {
    Result<Leaf> made = Leaf::Make(cgroup.path, "one");
    REQUIRE(made.ok());
    const Leaf leaf = made.Take();
    CHECK(leaf.Place(process.pid()).ok());
    CHECK(test::CgroupOf(process.pid()).find("/one") != std::string::npos);
    CHECK(leaf.populated());
    leaf.Freeze(true);
    CHECK(Eventually([&] { return leaf.frozen(); }));
  }
  CHECK(cgroup.Below() == std::set<std::string>{"one"});
  {
    const UniqueFd kill(open((cgroup.path + "/one/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
    CHECK(write(kill.get(), "1", 1) == 1);
  }
  CHECK(process.EndSignal() == SIGKILL);
  CHECK(rmdir((cgroup.path + "/one").c_str()) == 0);
}

TEST_CASE("kill reaches who ignores, who is frozen and who is below") {
  if (!test::HasLeaves()) return;
  const Cgroup cgroup("below");
  Result<Leaf> made = Leaf::Make(cgroup.path, "one");
  REQUIRE(made.ok());
  const Leaf leaf = made.Take();
  Result<Leaf> below = Leaf::Make(leaf.path(), "two");
  REQUIRE(below.ok());
  test::Process frozen = Sleeper(), free = Sleeper();
  CHECK(leaf.Place(free.pid()).ok());
  CHECK(below.value().Place(frozen.pid()).ok());
  below.value().Freeze(true);
  CHECK(Eventually([&] { return below.value().frozen(); }));
  leaf.Kill();
  CHECK(frozen.EndSignal() == SIGKILL);
  CHECK(free.EndSignal() == SIGKILL);
  CHECK_FALSE(leaf.populated());
}

TEST_CASE("who is gone cannot be placed") {
  if (!test::HasLeaves()) return;
  const Cgroup cgroup("place");
  Result<Leaf> made = Leaf::Make(cgroup.path, "one");
  REQUIRE(made.ok());
  test::Process process = test::ForkProcess([] { return 0; });
  const pid_t pid = process.pid();
  CHECK(process.ExitCode() == 0);
  const Status placed = made.value().Place(pid);
  REQUIRE_FALSE(placed.ok());
  CHECK(placed.error().stage == Stage::cgroup_procs);
  CHECK(placed.error().code == ESRCH);
}

TEST_CASE("a parent that is not there, or is no cgroup, is told") {
  const Result<Leaf> none = Leaf::Make("/no/such/cgroup", "one");
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().stage == Stage::cgroup_open);
  CHECK(none.error().code == ENOENT);
  CHECK(none.error().detail == "/no/such/cgroup");
  const test::Directory directory("one");
  const Result<Leaf> other = Leaf::Make(directory.path, "one");
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().stage == Stage::cgroup_open);
}

TEST_CASE("without the right to make cgroups there is an error that says where") {
  if (!test::HasLeaves() || geteuid() != 0) return;
  const Cgroup cgroup("right");
  test::Process process = test::ForkProcess([&] {
    if (setgid(65534) != 0 || setuid(65534) != 0) return 2;
    const Result<Leaf> made = Leaf::Make(cgroup.path, "one");
    if (made.ok() || made.error().stage != Stage::cgroup_mkdir) return 3;
    return made.error().code == EACCES && made.error().detail == cgroup.path + "/one" ? 0 : 4;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
