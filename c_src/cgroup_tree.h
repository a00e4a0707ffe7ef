// Where the agent is in the cgroup hierarchies: the one of version 2, and those of version 1
// (cgroups(7)).
#ifndef LINX_CGROUP_TREE_H_
#define LINX_CGROUP_TREE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"

namespace linx {

struct CgroupMount {
  std::string root;   // which cgroup is at the mount point
  std::string point;  // where
};

// The first cgroup v2 file system of a /proc/PID/mountinfo.
std::optional<CgroupMount> FindCgroup2(std::string_view mountinfo);
// The first one of version 1 that has this controller.
std::optional<CgroupMount> FindCgroup1(std::string_view mountinfo, std::string_view controller);

// One line of a /proc/PID/cgroup: in which cgroup of a hierarchy the process is.
struct CgroupPlace {
  std::string_view controllers;  // with commas between them; empty: version 2
  std::string_view path;

  bool Has(std::string_view controller) const;
};
std::vector<CgroupPlace> PlacesOf(std::string_view proc_cgroup);

// The directory of a cgroup; nothing where it is not below the mount's root, and so out of reach.
std::optional<std::string> DirectoryOf(const CgroupMount& mount, std::string_view path);

// That of the cgroup of version 2 that a /proc/PID/cgroup names, or of version 1 with a controller.
std::optional<std::string> OwnCgroup(std::string_view proc_cgroup, const CgroupMount& mount,
                                     std::string_view controller = {});

// A file of proc(5) as a whole; empty where it cannot be read.
std::string ReadProcFile(int at, const char* path);

struct CgroupTree {
  CgroupMount mount;
  std::optional<std::string> own;  // the directory of the caller's cgroup
};

// Errors: cgroup_open with ENODEV where none is mounted.
Result<CgroupTree> ReadCgroupTree();

// The directory in which a leaf belongs: below the agent's own cgroup where `parent` is empty, else
// that directory of the hierarchy. Errors: cgroup_open.
Result<std::string> LeafParent(const CgroupTree& tree, const std::string& parent);

// The directory of the agent's own cgroup for a controller of version 1. Errors: cgroup_controls,
// with ENODEV where it is not mounted, with ENOENT where that cgroup is out of reach.
Result<std::string> OwnCgroup1(Controller controller);

}  // namespace linx

#endif  // LINX_CGROUP_TREE_H_
