// What concerns all processes of a session at once: their cgroups, if they have any, their pauses,
// and what they use.
#ifndef LINX_SESSION_TREE_H_
#define LINX_SESSION_TREE_H_

#include <memory>

#include "events.h"
#include "pausing.h"
#include "session_cgroups.h"
#include "streams.h"
#include "tree_count.h"
#include "workload.h"

namespace linx {

class SessionTree {
 public:
  // `on_gone` is called when End has come to its end, also from within it.
  SessionTree(WorkloadContext context, Workload& workload, const Streams& streams, Events events,
              Handler on_gone)
      : context_(context),
        workload_(workload),
        streams_(streams),
        events_(events),
        cgroups_(context.loop, on_gone) {}

  // Errors: as SessionCgroups::Make.
  Status MakeCgroups(Leaves& leaves, const Plan& plan) { return cgroups_.Make(leaves, plan); }
  // Errors: as SessionCgroups::Join.
  Status JoinCgroups(int target_pidfd) {
    return cgroups_.Join(context_.launcher.proc_fd(), target_pidfd);
  }
  // Whether the workload is to be moved while it is parked, and that. Errors: cgroup_procs.
  bool placing(Mode mode) const { return cgroups_.placing(mode); }
  Status Place(Mode mode) { return cgroups_.Place(workload_.host_pid(), mode); }
  // What the workload is to be born in; -1 where there is no leaf.
  int cgroup() const { return cgroups_.leaf() != nullptr ? cgroups_.leaf()->fd() : -1; }

  // Each answers an errno, and 0 where the answer is said sooner or later.
  int AskPausing(CommandName what);
  int AskStats();

  void Kill();
  // Lets all go on, whoever stopped or froze them, for a signal that they are to act upon.
  void Thaw();
  // The workload is dead: who is left in its cgroups is killed, and they are removed.
  void End();
  // Nothing more is said. A cgroup that is still there goes unless somebody is in it.
  void Close();

 private:
  void OnCounted();

  WorkloadContext context_;
  Workload& workload_;
  const Streams& streams_;
  Events events_;
  SessionCgroups cgroups_;
  // Each is made when it is needed first.
  std::unique_ptr<Pausing> pausing_;
  std::unique_ptr<TreeCount> count_;
  size_t stats_asked_ = 0;
};

}  // namespace linx

#endif  // LINX_SESSION_TREE_H_
