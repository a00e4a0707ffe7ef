// Removes a cgroup with all cgroups below it, a few at a time: a workload may have made many.
#ifndef LINX_CGROUP_REMOVAL_H_
#define LINX_CGROUP_REMOVAL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "unique_fd.h"

namespace linx {

class CgroupRemoval {
 public:
  enum class State : uint8_t {
    gone,  // there is no such cgroup any more
    more,  // call again
    busy,  // processes are in it
    failed,
  };

  // `parent` is borrowed.
  CgroupRemoval(int parent, std::string name);

  // Removes `count` of them at most.
  State Remove(size_t count);
  // After `busy`: SIGKILL to who is in the one that could not be removed. False where nobody is.
  bool KillMembers() const;

 private:
  State RemoveOne();

  const int parent_;
  // From the cgroup itself down to the one that is looked at, and that one's directory.
  std::vector<std::string> path_;
  UniqueFd at_;
};

}  // namespace linx

#endif  // LINX_CGROUP_REMOVAL_H_
