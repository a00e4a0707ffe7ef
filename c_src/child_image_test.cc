#include "child_image.h"

#include <doctest/doctest.h>
#include <linux/sched.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "test_process.h"

namespace linx {
namespace {

Plan PlanOf(std::vector<std::string> argv) {
  Plan plan;
  plan.argv = std::move(argv);
  return plan;
}

// A copy in a region of exactly the size that was asked for.
struct Image {
  explicit Image(const Plan& plan) {
    size = ChildImageSize(plan);
    REQUIRE(region.Ensure(size));
    child = CopyPlan(plan, &region);
    CHECK(Holds(child));
    // What comes next lies behind everything that was taken.
    CHECK(region.Take(0, 1) <= region.base() + size);
  }
  bool Holds(const void* pointer) const {
    return pointer >= region.base() && pointer < region.base() + size;
  }
  std::vector<std::string> Strings(char* const* list) const {
    std::vector<std::string> strings;
    CHECK(Holds(list));
    for (; *list != nullptr; ++list) {
      CHECK(Holds(*list));
      strings.emplace_back(*list);
    }
    return strings;
  }
  Region region;
  size_t size;
  ChildPlan* child;
};

TEST_CASE("strings are copied into the region") {
  Plan plan = PlanOf({"/bin/echo", "", "two words"});
  plan.env = std::vector<std::string>{"A=1", "B="};
  plan.cwd = "/tmp";
  const Image image(plan);
  CHECK(image.Strings(image.child->argv) == plan.argv);
  CHECK(image.Strings(image.child->envp) == *plan.env);
  CHECK(image.child->path == image.child->argv[0]);
  CHECK(image.Holds(image.child->cwd));
  CHECK(std::string(image.child->cwd) == "/tmp");
}

TEST_CASE("a program may be called by another name than its path") {
  Plan plan = PlanOf({"sh", "-c", "true"});
  plan.path = "/bin/busybox";
  const Image image(plan);
  CHECK(image.Holds(image.child->path));
  CHECK(std::string(image.child->path) == "/bin/busybox");
  CHECK(image.Strings(image.child->argv) == plan.argv);
}

TEST_CASE("many and long strings fit") {
  Plan plan = PlanOf({"/bin/true"});
  plan.env.emplace();
  for (int i = 0; i < 3000; ++i) {
    plan.argv.emplace_back(static_cast<size_t>(i) % 61, 'a');
    plan.env->emplace_back("N" + std::to_string(i) + "=" + std::string(300, 'b'));
  }
  plan.cwd = std::string(4000, '/');
  plan.groups = std::vector<uint32_t>(999, 7);
  const Image image(plan);
  CHECK(image.Strings(image.child->argv) == plan.argv);
  CHECK(image.Strings(image.child->envp) == *plan.env);
}

TEST_CASE("what is not asked for is left as it is") {
  const Image image(PlanOf({"/bin/true"}));
  const ChildPlan& child = *image.child;
  CHECK(child.envp == environ);
  CHECK(child.cwd == nullptr);
  CHECK(child.channel == -1);
  for (const int fd : child.stdio) CHECK(fd == -1);
  CHECK_FALSE(child.set_uid);
  CHECK_FALSE(child.set_gid);
  CHECK_FALSE(child.set_groups);
  CHECK_FALSE(child.controlling_tty);
  CHECK_FALSE(child.check_cwd);
  CHECK_FALSE(child.no_new_privs);
  CHECK_FALSE(child.auto_proceed);
  CHECK_FALSE(child.outlives_parent);
  CHECK_FALSE(child.dumpable);
}

TEST_CASE("an empty environment is not the agent's") {
  Plan plan = PlanOf({"/bin/true"});
  plan.env.emplace();
  const Image image(plan);
  CHECK(image.Strings(image.child->envp).empty());
}

TEST_CASE("a new uid or gid never keeps the groups") {
  Plan plan = PlanOf({"/bin/true"});
  SUBCASE("uid") {
    plan.uid = 5;
    const Image image(plan);
    CHECK(image.child->set_uid);
    CHECK(image.child->uid == 5);
    CHECK_FALSE(image.child->set_gid);
    CHECK(image.child->set_groups);
    CHECK(image.child->groups_optional);
    CHECK(image.child->group_count == 0);
  }
  SUBCASE("gid, and uid 0") {
    plan.uid = 0;
    plan.gid = 6;
    const Image image(plan);
    CHECK(image.child->set_uid);
    CHECK(image.child->set_gid);
    CHECK(image.child->gid == 6);
    CHECK(image.child->set_groups);
  }
  SUBCASE("named groups are not optional") {
    plan.groups = std::vector<uint32_t>{9, 4294967294};
    const Image image(plan);
    CHECK(image.child->set_groups);
    CHECK_FALSE(image.child->groups_optional);
    REQUIRE(image.child->group_count == 2);
    CHECK(image.Holds(image.child->groups));
    CHECK(image.child->groups[0] == 9);
    CHECK(image.child->groups[1] == 4294967294);
  }
  SUBCASE("no group at all is a choice too") {
    plan.groups.emplace();
    const Image image(plan);
    CHECK(image.child->set_groups);
    CHECK_FALSE(image.child->groups_optional);
    CHECK(image.child->group_count == 0);
  }
}

TEST_CASE("flags follow from the plan") {
  Plan plan = PlanOf({"/bin/true"});
  SUBCASE("a terminal is the controlling one") {
    plan.stdio.fill({StdioKind::pty, {}});
    CHECK(Image(plan).child->controlling_tty);
  }
  SUBCASE("the cwd is checked where the root may be another") {
    plan.mode = Mode::enter;
    CHECK(Image(plan).child->check_cwd);
  }
  SUBCASE("as they are") {
    plan.no_new_privs = plan.auto_proceed = true;
    CHECK(Image(plan).child->no_new_privs);
    CHECK(Image(plan).child->auto_proceed);
  }
  SUBCASE("a lingering workload may outlive its parent, one below an init its init decides") {
    plan.orphan_policy.linger = true;
    CHECK(Image(plan).child->outlives_parent);
    plan.init = true;
    CHECK_FALSE(Image(plan).child->outlives_parent);
  }
  SUBCASE("an ordinary user writes the id maps of a fresh user namespace") {
    plan.namespaces = CLONE_NEWUSER;
    CHECK(Image(plan).child->dumpable == (geteuid() != 0));
    plan.mode = Mode::enter;
    CHECK_FALSE(Image(plan).child->dumpable);
  }
}

}  // namespace
}  // namespace linx
