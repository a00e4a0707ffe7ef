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
  return MakeIn(path.value(), CgroupVersion::two);
}

Result<std::string> Leaves::Parent1(Controller controller) {
  std::string& parent = parents1_[static_cast<size_t>(controller)];
  if (!parent.empty()) return parent;
  Result<std::string> own = OwnCgroup1(controller);
  if (own.ok()) parent = own.value();
  return own;
}

Result<Leaf> Leaves::MakeIn(const std::string& path, CgroupVersion version) {
  if (!parents_.Has(path)) {
    RemoveStaleLeaves(path);
    // What the guard does not know of it could not remove.
    if (!parents_.Add(path)) {
      return Error::Of(Stage::cgroup_open, ENOBUFS, path);
    }
  }
  for (;;) {
    Result<Leaf> leaf = Leaf::Make(path, LeafName(getpid(), made_++), version);
    // An agent with this pid in another pid namespace was faster.
    if (leaf.ok() || leaf.error().stage != Stage::cgroup_mkdir || leaf.error().code != EEXIST) {
      return leaf;
    }
  }
}

}  // namespace linx
