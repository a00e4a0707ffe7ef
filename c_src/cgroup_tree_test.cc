#include "cgroup_tree.h"

#include <doctest/doctest.h>

namespace linx {
namespace {

constexpr std::string_view kHybrid =
    "23 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "37 31 0:34 / /sys/fs/cgroup/freezer rw shared:9 - cgroup cgroup rw,freezer\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST_CASE("cgroup v2 is found wherever it is mounted") {
  const auto hybrid = FindCgroup2(kHybrid);
  REQUIRE(hybrid);
  CHECK(hybrid->point == "/sys/fs/cgroup/unified");
  CHECK(hybrid->root == "/");
  const auto container = FindCgroup2(
      "1 0 0:1 / / rw - overlay overlay rw\n"
      "9 1 0:29 /docker/12ab /sys/fs/cgroup ro,nosuid master:8 propagate_from:2 - cgroup2 cgroup "
      "rw");
  REQUIRE(container);
  CHECK(container->point == "/sys/fs/cgroup");
  CHECK(container->root == "/docker/12ab");
}

TEST_CASE("a mount point may have spaces, a device may be called cgroup2") {
  const auto mount = FindCgroup2(
      "8 1 0:8 / /mnt rw - ext4 cgroup2 rw\n"
      "9 1 0:9 /a\\134b /mnt/a\\040b\\011c rw - cgroup2 none rw\n");
  REQUIRE(mount);
  CHECK(mount->point == "/mnt/a b\tc");
  CHECK(mount->root == "/a\\b");
}

TEST_CASE("where cgroup v2 is not mounted it is not found") {
  CHECK_FALSE(FindCgroup2(""));
  CHECK_FALSE(FindCgroup2("37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"));
  CHECK_FALSE(FindCgroup2("41 31 0:38 / /sys/fs/cgroup rw -"));
  CHECK_FALSE(FindCgroup2("\n\n - cgroup2\n"));
}

TEST_CASE("the own cgroup is relative to what is mounted") {
  const CgroupMount whole = {"/", "/sys/fs/cgroup"};
  CHECK(OwnCgroup("9:name=systemd:/\n4:memory:/x\n0::/\n", whole) == "/sys/fs/cgroup");
  CHECK(OwnCgroup("0::/user.slice/a b.scope\n", whole) == "/sys/fs/cgroup/user.slice/a b.scope");
  const CgroupMount part = {"/docker/12ab", "/mnt"};
  CHECK(OwnCgroup("0::/docker/12ab\n", part) == "/mnt");
  CHECK(OwnCgroup("0::/docker/12ab/c\n", part) == "/mnt/c");
}

TEST_CASE("a cgroup outside of what is mounted is none") {
  const CgroupMount part = {"/docker/12ab", "/mnt"};
  CHECK_FALSE(OwnCgroup("0::/docker\n", part));
  CHECK_FALSE(OwnCgroup("0::/docker/12abc\n", part));
  CHECK_FALSE(OwnCgroup("0::/../other\n", {"/", "/mnt"}));
  CHECK_FALSE(OwnCgroup("4:memory:/x\n", {"/", "/mnt"}));
  CHECK_FALSE(OwnCgroup("", {"/", "/mnt"}));
}

constexpr std::string_view kVersion1 =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 /docker/12ab /sys/fs/cgroup/memory ro shared:7 - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n";

TEST_CASE("a controller of version 1 is found by its whole name") {
  CHECK(FindCgroup1(kVersion1, "cpu")->point == "/sys/fs/cgroup/cpu,cpuacct");
  CHECK(FindCgroup1(kVersion1, "cpuset")->point == "/sys/fs/cgroup/cpuset");
  CHECK(FindCgroup1(kVersion1, "memory")->root == "/docker/12ab");
  CHECK_FALSE(FindCgroup1(kVersion1, "pids"));
  CHECK_FALSE(FindCgroup1("", "pids"));
}

TEST_CASE("the own cgroup of a controller of version 1") {
  constexpr std::string_view kOwn =
      "4:memory:/docker/12ab/x:y\n3:cpuset:/\n2:cpu,cpuacct:/a\n0::/b\n";
  const auto own = [&](std::string_view controller) {
    return OwnCgroup(kOwn, *FindCgroup1(kVersion1, controller), controller);
  };
  CHECK(own("memory") == "/sys/fs/cgroup/memory/x:y");
  CHECK(own("cpuset") == "/sys/fs/cgroup/cpuset");
  CHECK(own("cpu") == "/sys/fs/cgroup/cpu,cpuacct/a");
  CHECK_FALSE(OwnCgroup(kOwn, {"/", "/mnt"}, "pids"));
}

TEST_CASE("a process is in one cgroup of each hierarchy") {
  const auto places =
      PlacesOf("4:memory:/a:b\n3:name=systemd:/\n1:cpu,cpuacct:/\nnonsense\n0::/c\n");
  REQUIRE(places.size() == 4);
  CHECK(places[0].Has("memory"));
  CHECK(places[0].path == "/a:b");
  CHECK(places[2].Has("cpuacct"));
  CHECK_FALSE(places[2].Has("cpuset"));
  CHECK(places[3].controllers.empty());
}

TEST_CASE("leaves go below the own cgroup, or below one that is named") {
  const CgroupTree tree = {{"/", "/sys/fs/cgroup"}, "/sys/fs/cgroup/app.scope"};
  CHECK(LeafParent(tree, {}).value() == "/sys/fs/cgroup/app.scope");
  CHECK(LeafParent(tree, "jobs/nightly").value() == "/sys/fs/cgroup/jobs/nightly");
  const Result<std::string> none = LeafParent({{"/", "/mnt"}, {}}, {});
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().stage == Stage::cgroup_open);
  CHECK(none.error().code == ENOENT);
}

}  // namespace
}  // namespace linx
