#include "cgroup_settings.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "test_process.h"

namespace linx {
namespace {

// A directory that looks like a cgroup and one below it, without a kernel that watches them.
struct Tree {
  Tree() {
    char name[] = "/tmp/linx-cgroup-XXXXXX";
    path = mkdtemp(name);
    Result<Leaf> made = Leaf::Make(path, "leaf", CgroupVersion::one);
    REQUIRE(made.ok());
    leaf = made.Take();
  }
  ~Tree() { std::filesystem::remove_all(path); }

  void Put(const std::string& file, const std::string& text = {}) const {
    std::ofstream(path + "/" + file) << text;
  }
  std::string Get(const std::string& file) const { return test::ReadFile(path + "/" + file); }

  std::string path;
  Leaf leaf;
};

CgroupControls Controls(std::vector<CgroupControl> list) { return CgroupControls{std::move(list)}; }

TEST_CASE("settings are written to the leaf, and their controllers turned on above it") {
  Tree tree;
  tree.Put("cgroup.controllers", "cpu memory pids\n");
  tree.Put("cgroup.subtree_control");
  tree.Put("leaf/cgroup.controllers", "");
  tree.Put("leaf/memory.max", "max");
  const Status written = WriteLeafSettings(
      tree.leaf, Controls({{{}, "memory.max", "268435456"}, {Controller::pids, "pids.max", "64"}}));
  REQUIRE(written.ok());
  CHECK(tree.Get("cgroup.subtree_control") == "+memory");
  CHECK(tree.Get("leaf/memory.max") == "268435456");
}

TEST_CASE("a controller that the leaf has is left as it is, and the core needs none") {
  Tree tree;
  tree.Put("leaf/cgroup.controllers", "io pids\n");
  tree.Put("leaf/pids.max", "max");
  tree.Put("leaf/cgroup.max.depth", "max");
  CHECK(
      WriteLeafSettings(tree.leaf, Controls({{{}, "pids.max", "7"}, {{}, "cgroup.max.depth", "1"}}))
          .ok());
  CHECK(tree.Get("leaf/pids.max").substr(0, 1) == "7");
  CHECK(tree.Get("leaf/cgroup.max.depth").substr(0, 1) == "1");
  CHECK_FALSE(std::filesystem::exists(tree.path + "/cgroup.subtree_control"));
}

TEST_CASE("a controller that is not to be had is told with the place where it is missing") {
  Tree tree;
  tree.Put("cgroup.controllers", "hugetlb\n");
  const Status written = WriteLeafSettings(tree.leaf, Controls({{{}, "memory.max", "1"}}));
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().stage == Stage::cgroup_controls);
  CHECK(written.error().code == ENODEV);
  CHECK(written.error().detail == tree.path + "/cgroup.controllers: no memory");
}

TEST_CASE("what cannot be written is told with the file and the value") {
  Tree tree;
  tree.Put("leaf/cgroup.controllers", "memory\n");
  const Status written = WriteLeafSettings(tree.leaf, Controls({{{}, "memory.nothing", "1"}}));
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().stage == Stage::cgroup_controls);
  CHECK(written.error().code == ENOENT);
  CHECK(written.error().detail == tree.path + "/leaf/memory.nothing: 1");
}

TEST_CASE("a controller of version 1 gets its own settings only") {
  Tree tree;
  tree.Put("leaf/pids.max");
  tree.Put("leaf/memory.limit_in_bytes");
  const CgroupControls controls = Controls({{{}, "io.max", "1"},
                                            {Controller::memory, "memory.limit_in_bytes", "4096"},
                                            {Controller::pids, "pids.max", "3"}});
  REQUIRE(WriteSettings1(tree.leaf, Controller::pids, controls).ok());
  CHECK(tree.Get("leaf/pids.max") == "3");
  CHECK(tree.Get("leaf/memory.limit_in_bytes").empty());
}

TEST_CASE("a cpuset begins with what the cgroup above has") {
  Tree tree;
  tree.Put("cpuset.cpus", "0-3\n");
  tree.Put("cpuset.mems", "0\n");
  tree.Put("leaf/cpuset.cpus");
  tree.Put("leaf/cpuset.mems");
  const CgroupControls shares = Controls({{Controller::cpuset, "cpuset.cpu_exclusive", "0"}});
  CHECK_FALSE(WriteSettings1(tree.leaf, Controller::cpuset, shares).ok());
  CHECK(tree.Get("leaf/cpuset.cpus") == "0-3");
  CHECK(tree.Get("leaf/cpuset.mems") == "0");
}

}  // namespace
}  // namespace linx
