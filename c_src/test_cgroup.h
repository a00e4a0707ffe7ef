// Cgroups for tests, where there are any to be had.
#ifndef LINX_TEST_CGROUP_H_
#define LINX_TEST_CGROUP_H_

#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string>

#include "cgroup_tree.h"
#include "leaves.h"
#include "test_process.h"

namespace linx::test {

// Whether tests with cgroups can run; says why where they cannot.
inline bool HasLeaves() {
  static const bool has = Leaves(*LeafParents::Create()).CanMake();
  if (!has) MESSAGE("no cgroup v2 here in which this user may make cgroups");
  return has;
}

// The same for a controller of version 1.
inline bool HasVersion1(Controller controller) {
  Leaves leaves(*LeafParents::Create());
  const Result<std::string> parent = leaves.Parent1(controller);
  if (parent.ok() && leaves.Make1(parent.value()).ok()) return true;
  MESSAGE("no cgroup v1 of " << Name(controller) << " in which this user may make cgroups");
  return false;
}

inline std::string OwnCgroupPath() {
  const Result<CgroupTree> tree = ReadCgroupTree();
  return LeafParent(tree.value(), {}).value();
}

// A cgroup of the test's own, which must be empty at the end.
struct Cgroup {
  explicit Cgroup(const std::string& label)
      : path(OwnCgroupPath() + "/linx-test-" + label + std::to_string(getpid())) {
    REQUIRE(mkdir(path.c_str(), 0755) == 0);
  }
  ~Cgroup() { CHECK(rmdir(path.c_str()) == 0); }

  std::set<std::string> Below() const {
    std::set<std::string> names;
    DIR* list = opendir(path.c_str());
    while (const struct dirent* entry = readdir(list)) {
      if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.insert(entry->d_name);
    }
    closedir(list);
    return names;
  }

  const std::string path;
};

// The line of /proc/PID/cgroup for version 2.
inline std::string CgroupOf(pid_t pid) {
  const std::string all = "\n" + ReadFile(ProcPath(pid, "cgroup"));
  const size_t at = all.find("\n0::");
  return at == std::string::npos ? std::string()
                                 : all.substr(at + 4, all.find('\n', at + 1) - at - 4);
}

inline bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace linx::test

#endif  // LINX_TEST_CGROUP_H_
