// Makes the leaves of an agent's sessions, and their cgroups of version 1.
#ifndef LINX_LEAVES_H_
#define LINX_LEAVES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "cgroup_tree.h"
#include "leaf.h"
#include "leaf_parents.h"
#include "request.h"
#include "result.h"

namespace linx {

class Leaves {
 public:
  explicit Leaves(LeafParents& parents) : parents_(parents) {}

  // Errors: cgroup_open, cgroup_mkdir. Before the first leaf of a directory what dead agents have
  // left there is removed.
  Result<Leaf> Make(const CgroupWish& wish);
  // In which directory a session's cgroup for a controller of version 1 belongs. Errors:
  // cgroup_controls.
  Result<std::string> Parent1(Controller controller);
  // A cgroup of version 1 in such a directory. Errors: as Make.
  Result<Leaf> Make1(const std::string& parent) { return MakeIn(parent, CgroupVersion::one); }
  // Whether a leaf can be made below the agent's own cgroup: by making one.
  bool CanMake() { return Make({}).ok(); }

 private:
  Result<Leaf> MakeIn(const std::string& path, CgroupVersion version);

  LeafParents& parents_;
  std::optional<CgroupTree> tree_;
  std::array<std::string, kControllerCount> parents1_;  // empty: not looked up yet
  uint64_t made_ = 0;
};

}  // namespace linx

#endif  // LINX_LEAVES_H_
