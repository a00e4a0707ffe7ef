// Joining the namespaces of a process that runs already.
#ifndef LINX_ENTER_H_
#define LINX_ENTER_H_

#include <sys/types.h>

#include <cstdint>

#include "init.h"
#include "request.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

// A pidfd, so that from here on no recycled pid is mistaken for the target. Stage open_target.
Result<UniqueFd> OpenTarget(pid_t pid);

// Which of the wanted namespaces the target has and the agent does not share, as CLONE_NEW* flags:
// joining one's own fails (user) or is pointless. Errors: open_ns_<ns>; open_target with ESRCH if
// the target died before the answer was known.
Result<uint64_t> NamespacesToJoin(int proc_fd, int target_pidfd, const Plan& plan);

// What the helper runs from. The agent itself never calls setns: a fork of it does, makes the
// workload (or its init) as the agent's child by CLONE_PARENT, and exits.
struct EnterPlan {
  InitPlan init;  // also holds the child's plan; `init.channel` is where the helper reports to
  uint64_t namespaces = 0;
  int target_pidfd = -1;
  bool with_init = false;
  uint32_t overflow_uid = 65534;  // how the kernel shows an id that is not mapped
};

// Never returns. Reports `failed`, `launched` or `init_launched`, the last two with a pidfd.
[[noreturn]] void RunEnterHelper(EnterPlan* plan);

}  // namespace linx

#endif  // LINX_ENTER_H_
