#include "leaves.h"

#include <unistd.h>

#include <cerrno>

namespace linx {

Result<Leaf> Leaves::Make(const CgroupWish& wish) {
  if (!tree_) {
    Result<CgroupTree> read = ReadCgroupTree();
    if (!read.ok()) return read.error();
    tree_ = read.Take();
  }
  Result<std::string> path = LeafParent(*tree_, wish.parent);
  if (!path.ok()) return path.error();
  if (!parents_.Has(path.value())) {
    RemoveStaleLeaves(path.value());
    // What the guard does not know of it could not remove.
    if (!parents_.Add(path.value())) {
      return Error::Of(Stage::cgroup_open, ENOBUFS, path.Take());
    }
  }
  for (;;) {
    Result<Leaf> leaf = Leaf::Make(path.value(), LeafName(getpid(), made_++));
    // An agent with this pid in another pid namespace was faster.
    if (leaf.ok() || leaf.error().stage != Stage::cgroup_mkdir || leaf.error().code != EEXIST) {
      return leaf;
    }
  }
}

}  // namespace linx
