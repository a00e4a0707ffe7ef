// Makes the leaves of an agent's sessions.
#ifndef LINX_LEAVES_H_
#define LINX_LEAVES_H_

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
  // Whether a leaf can be made below the agent's own cgroup: by making one.
  bool CanMake() { return Make({}).ok(); }

 private:
  LeafParents& parents_;
  std::optional<CgroupTree> tree_;
  uint64_t made_ = 0;
};

}  // namespace linx

#endif  // LINX_LEAVES_H_
