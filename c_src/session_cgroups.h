// The cgroups of one session: its leaf, and one for each controller of version 1 that its request
// names.
#ifndef LINX_SESSION_CGROUPS_H_
#define LINX_SESSION_CGROUPS_H_

#include <sys/types.h>

#include <memory>
#include <vector>

#include "event_loop.h"
#include "leaf.h"
#include "leaf_end.h"
#include "leaves.h"
#include "request.h"
#include "result.h"
#include "target_cgroups.h"

namespace linx {

class SessionCgroups {
 public:
  // `on_gone` is called when End has come to its end, also from within it.
  SessionCgroups(EventLoop& loop, Handler on_gone) : loop_(loop), on_gone_(on_gone) {}

  // Those that the plan asks for, set as it asks. Errors: as Leaves::Make and Make1;
  // cgroup_controls. What was made then goes with Close.
  Status Make(Leaves& leaves, const Plan& plan);
  // The leaf; nullptr where there is none.
  const Leaf* leaf() const { return leaf_.get(); }
  // Those of the target of an enter besides, as TargetCgroups::Open has them, with its errors.
  Status Join(int proc_fd, int target_pidfd);
  // Whether Place has anything to do.
  bool placing(Mode mode) const {
    return !target_.empty() || !version1_.empty() || (leaf_ && mode == Mode::enter);
  }
  // Moves a parked workload into those that it was not born in. Errors: cgroup_procs.
  Status Place(pid_t pid, Mode mode);

  void Kill() const;
  void Thaw() const;
  // The workload is dead: who is left in them is killed, and they are removed.
  void End();
  // What is still there goes unless somebody is in it.
  void Close();

 private:
  Status Make1(Leaves& leaves, const CgroupControls& controls);
  void BeginEnd(Leaf* cgroup);
  void OnOneGone();

  EventLoop& loop_;
  const Handler on_gone_;
  TargetCgroups target_;
  std::unique_ptr<Leaf> leaf_;
  std::vector<std::unique_ptr<Leaf>> version1_;
  std::vector<std::unique_ptr<LeafEnd>> ends_;
  size_t ending_ = 0;
};

}  // namespace linx

#endif  // LINX_SESSION_CGROUPS_H_
