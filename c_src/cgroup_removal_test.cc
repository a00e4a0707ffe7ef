#include "cgroup_removal.h"

#include <doctest/doctest.h>

#include "leaf.h"
#include "test_cgroup.h"

namespace linx {
namespace {

using State = CgroupRemoval::State;

struct Parent : test::Cgroup {
  Parent() : Cgroup("removal"), fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  void Make(const std::string& name) { REQUIRE(mkdir((path + "/" + name).c_str(), 0755) == 0); }
  const UniqueFd fd;
};

TEST_CASE("an empty cgroup is removed at once, and one that is gone is gone") {
  if (!test::HasLeaves()) return;
  Parent parent;
  parent.Make("a");
  CHECK(CgroupRemoval(parent.fd.get(), "a").Remove(1) == State::gone);
  CHECK(CgroupRemoval(parent.fd.get(), "a").Remove(1) == State::gone);
}

TEST_CASE("all below is removed, however wide and deep, a few at a time") {
  if (!test::HasLeaves()) return;
  Parent parent;
  parent.Make("a");
  for (int i = 0; i < 150; ++i) parent.Make("a/" + std::to_string(i));
  std::string deep = "a/.deep";
  for (int i = 0; i < 40; ++i, deep += "/b") parent.Make(deep);
  CgroupRemoval removal(parent.fd.get(), "a");
  int turns = 0;
  State state;
  while ((state = removal.Remove(10)) == State::more) ++turns;
  CHECK(state == State::gone);
  CHECK(turns >= 19);
  CHECK(parent.Below().empty());
}

TEST_CASE("where somebody is in it, or below it, it is busy until he is gone") {
  if (!test::HasLeaves()) return;
  Parent parent;
  parent.Make("a");
  parent.Make("a/b");
  parent.Make("a/b/c");
  Result<Leaf> made = Leaf::Make(parent.path + "/a/b", "d");
  REQUIRE(made.ok());
  test::Process process = test::ForkProcess([] {
    for (;;) pause();
    return 0;
  });
  REQUIRE(made.value().Place(process.pid()).ok());
  CgroupRemoval removal(parent.fd.get(), "a");
  CHECK(removal.Remove(100) == State::busy);
  CHECK(removal.Remove(100) == State::busy);
  made.value().Kill();
  CHECK(process.EndSignal() == SIGKILL);
  CHECK(removal.Remove(100) == State::gone);
  made.value().Forget();
}

TEST_CASE("what others remove meanwhile is no failure") {
  if (!test::HasLeaves()) return;
  Parent parent;
  parent.Make("a");
  parent.Make("a/b");
  parent.Make("a/b/c");
  CgroupRemoval removal(parent.fd.get(), "a");
  CHECK(removal.Remove(2) == State::more);
  for (const char* name : {"/a/b/c", "/a/b"}) CHECK(rmdir((parent.path + name).c_str()) == 0);
  CHECK(removal.Remove(100) == State::gone);
}

}  // namespace
}  // namespace linx
