#include "leaf_parents.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include "leaf.h"
#include "test_cgroup.h"

namespace linx {
namespace {

using Names = std::set<std::string>;
using test::Eventually;

struct Parent : test::Cgroup {
  Parent() : Cgroup("parents") {}
  void Make(const std::string& name) { REQUIRE(mkdir((path + "/" + name).c_str(), 0755) == 0); }
  void Remove(const std::string& name) { CHECK(rmdir((path + "/" + name).c_str()) == 0); }
};

// It is never unmapped in the agent, but here.
struct Table {
  Table() : parents(LeafParents::Create()) { REQUIRE(parents != nullptr); }
  ~Table() { munmap(parents, sizeof(LeafParents)); }
  LeafParents* parents;
};

pid_t DeadPid() {
  test::Process process = test::ForkProcess([] { return 0; });
  const pid_t pid = process.pid();
  process.Wait();
  return pid;
}

TEST_CASE("directories are noted once, until the table is full") {
  Table table;
  LeafParents& parents = *table.parents;
  CHECK_FALSE(parents.Has("/a"));
  CHECK(parents.Add("/a"));
  CHECK(parents.Add("/a"));
  CHECK(parents.Has("/a"));
  for (int i = 0; i < 63; ++i) CHECK(parents.Add("/" + std::to_string(i)));
  CHECK_FALSE(parents.Add("/one too many"));
  CHECK(parents.Add("/a"));
  CHECK_FALSE(parents.Has("/one too many"));
}

TEST_CASE("a path that is too long is not noted") {
  Table table;
  CHECK_FALSE(table.parents->Add(std::string(2000, 'x')));
}

TEST_CASE("an agent's leaves are removed, and nothing else") {
  if (!test::HasLeaves()) return;
  Parent parent;
  const pid_t agent = DeadPid();
  const std::string other = LeafName(agent + 1, 0);
  parent.Make(LeafName(agent, 0));
  parent.Make(LeafName(agent, 17));
  parent.Make(LeafName(agent, 17) + "/below");
  for (const std::string& name :
       {other, std::string("linx-"), "linx-" + std::to_string(agent), LeafName(agent, 1) + "x"}) {
    parent.Make(name);
  }
  Table table;
  REQUIRE(table.parents->Add(parent.path));
  REQUIRE(table.parents->Add("/no/such/cgroup"));
  CHECK(table.parents->RemoveLeavesOf(agent));
  CHECK(parent.Below().size() == 4);
  for (const std::string& name : parent.Below()) parent.Remove(name);
}

TEST_CASE("an agent that nobody reaped is dead") {
  if (!test::HasLeaves()) return;
  Parent parent;
  test::Process zombie = test::ForkProcess([] { return 0; });
  REQUIRE(Eventually([&] { return !test::IsAlive(zombie.pid()); }));
  parent.Make(LeafName(zombie.pid(), 0));
  RemoveStaleLeaves(parent.path);
  CHECK(parent.Below().empty());
}

TEST_CASE("stale leaves are those of the dead in which nobody is") {
  if (!test::HasLeaves()) return;
  Parent parent;
  const std::string stale = LeafName(DeadPid(), 0), held = LeafName(DeadPid(), 1),
                    live = LeafName(getpid(), 2);
  parent.Make(stale);
  parent.Make(live);
  Result<Leaf> made = Leaf::Make(parent.path, held);
  REQUIRE(made.ok());
  REQUIRE(mkdirat(made.value().fd(), "empty", 0755) == 0);
  test::Process process = test::ForkProcess([] {
    for (;;) pause();
    return 0;
  });
  REQUIRE(made.value().Place(process.pid()).ok());
  RemoveStaleLeaves(parent.path);
  CHECK(parent.Below() == Names{held, live});
  CHECK(test::Exists(parent.path + "/" + held + "/empty"));
  made.value().Kill();
  CHECK(process.EndSignal() == SIGKILL);
  RemoveStaleLeaves(parent.path);
  CHECK(parent.Below() == Names{live});
  parent.Remove(live);
}

}  // namespace
}  // namespace linx
