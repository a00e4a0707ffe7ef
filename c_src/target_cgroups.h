// The cgroups of a process that is entered.
#ifndef LINX_TARGET_CGROUPS_H_
#define LINX_TARGET_CGROUPS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace linx {

class TargetCgroups {
 public:
  // Those in which the target is and the agent is not, of version 2 and of version 1 where a
  // hierarchy has controllers. Errors: open_target with ESRCH where the target is dead;
  // cgroup_open, with a path or the hierarchy's name, where one is out of reach.
  static Result<TargetCgroups> Open(int proc_fd, int target_pidfd);

  bool empty() const { return all_.empty(); }
  // Moves a process there. Errors: cgroup_procs, ENODEV where the cgroup is gone by now.
  Status Place(pid_t pid) const;

 private:
  struct One {
    UniqueFd directory;
    std::string path;
  };
  std::vector<One> all_;
};

}  // namespace linx

#endif  // LINX_TARGET_CGROUPS_H_
