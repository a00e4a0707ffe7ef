// The cgroups in which an agent has made leaves. The agent writes the table, the guard reads it
// after the agent's death and removes what leaves were left, so it lies in memory that both share.
#ifndef LINX_LEAF_PARENTS_H_
#define LINX_LEAF_PARENTS_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <string>

namespace linx {

class LeafParents {
 public:
  // A table in a new shared mapping; nullptr where memory is out. It is never unmapped.
  static LeafParents* Create();

  // Notes a directory unless it is noted already. False where the table is full or the path too
  // long.
  bool Add(const std::string& path);
  bool Has(const std::string& path) const;
  // Removes the leaves of an agent that is dead, in all of the directories, as far as nobody is in
  // them. False where somebody is.
  bool RemoveLeavesOf(pid_t agent) const;

 private:
  static constexpr size_t kSize = 64;
  static constexpr size_t kMaxPath = 1024;
  std::atomic<size_t> count_;
  char paths_[kSize][kMaxPath];
};

// How leaves are called: linx-<the agent's pid>-<number>.
std::string LeafName(pid_t agent, uint64_t number);

// Removes the leaves in `path` of all agents that are dead, as far as nobody is in them.
void RemoveStaleLeaves(const std::string& path);

}  // namespace linx

#endif  // LINX_LEAF_PARENTS_H_
