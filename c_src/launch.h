// The agent's half of making a session's processes.
#ifndef LINX_LAUNCH_H_
#define LINX_LAUNCH_H_

#include <sys/types.h>

#include <array>
#include <unordered_set>
#include <vector>

#include "enter.h"
#include "idle_inits.h"
#include "launch_memory.h"
#include "offspring.h"
#include "request.h"
#include "result.h"
#include "standbys.h"
#include "unique_fd.h"

namespace linx {

struct Launched {
  enum class Direct { workload, init, helper };
  Direct direct = Direct::workload;  // what `process` is; the others announce themselves
  Offspring process;
  UniqueFd channel;  // to the child, until it execs or dies
  UniqueFd control;  // from the init or helper; empty where there is none
  // The child's ends of both. The child shares the agent's fds until it has closed all but its own,
  // which is before its first report: until then they stay open here, and so do its stdio fds.
  std::array<UniqueFd, 2> lent;
  Region shared;  // a child that shares the agent's memory runs from it until `channel` ends
  const char* image = nullptr;  // of an init that can serve again: where it takes plans
  pid_t nursery = 0;            // of a child that stood by; that one is ready, and does not say so
  bool waits = false;           // the workload has no program, see waiting.h
};

// What becomes the workload's fds, open for as long as the launch takes.
struct LentFds {
  int stdio[3] = {-1, -1, -1};  // -1: as it is
  std::vector<int> others;      // in the order of the plan's `fds`
};

// What writes an ordinary user's maps of more than the user's own id.
struct MapPrograms {
  const char* uids = "/usr/bin/newuidmap";
  const char* gids = "/usr/bin/newgidmap";
};

// What the launches of one agent share: the host's /proc, the memory that children start from, and
// the set of the agent's children, which tells them from strays that were reparented to it.
class Launcher {
 public:
  // Errors: open_proc, memory.
  Status Open();

  // `cgroup`, borrowed or -1, is where the workload is born. Errors:
  // socketpair, memory, clone, cgroup_clone, fork, time_offsets.
  Result<Launched> Spawn(const Plan& plan, const LentFds& fds, int cgroup = -1);
  // `target` is a pidfd, `join` the answer of NamespacesToJoin.
  Result<Launched> Enter(const Plan& plan, const LentFds& fds, int target, uint64_t join);

  // A Region comes back once its child has exec'd or died.
  void Recycle(Region shared);
  // A nursery comes back likewise; `spent` where its child has mapped more memory.
  void Recycle(pid_t nursery, bool spent) { standbys_.Return(nursery, spent); }
  // Whether there is something to prepare for the next spawns, and doing it: when nobody waits.
  bool tending_due() const { return standbys_.due(); }
  void Tend() { standbys_.Tend({image_.base(), image_.size(), 0}); }
  // An init comes back once its session is over; `image` is the launch's. False where it is of no
  // use any more, and then it is not taken.
  bool Recycle(IdleInit* init, const char* image);
  // A child has died that may have been an idle init or a nursery.
  void BuryIdle(pid_t pid) {
    idle_inits_.Bury(pid);
    standbys_.Bury(pid);
  }

  int proc_fd() const { return proc_.get(); }
  // To be changed by tests alone.
  MapPrograms& map_programs() { return map_programs_; }
  void Adopt(pid_t pid) { children_.insert(pid); }
  // It is reaped.
  void Forget(pid_t pid) {
    children_.erase(pid);
    last_reaped_ = pid;
  }
  pid_t last_reaped() const { return last_reaped_; }
  bool Knows(pid_t pid) const {
    return children_.count(pid) != 0 || idle_inits_.Has(pid) || standbys_.Has(pid);
  }
  // While an enter helper runs, its child may be the agent's before the agent knows it.
  void BeginEnter() { ++entering_; }
  void EndEnter() { --entering_; }
  bool entering() const { return entering_ > 0; }

 private:
  // Each answers for what its name says, in `launched`.
  Status SpawnSharing(const Plan& plan, const LentFds& fds, Launched* launched);
  Status SpawnFromImage(const Plan& plan, const LentFds& fds, int cgroup, Launched* launched);
  Status Make(ChildPlan* child, InitPlan* init, uint64_t flags, int cgroup, Launched* launched);
  bool GiveToStandby(const Plan& plan, const LentFds& fds, Launched* launched);
  bool GiveToIdle(const InitPlan& init, Launched* launched);
  Result<ChildPlan*> MakeImage(const Plan& plan, const LentFds& fds);

  UniqueFd proc_;
  MapPrograms map_programs_;
  Region image_;
  std::vector<Region> regions_;
  IdleInits idle_inits_;
  Standbys standbys_;
  std::unordered_set<pid_t> children_;
  pid_t last_reaped_ = 0;
  int entering_ = 0;
  uint64_t share_fds_ = 0;  // CLONE_FILES where close_range(2) can end the sharing (Linux 5.9)
  uint32_t overflow_uid_ = 65534;
};

}  // namespace linx

#endif  // LINX_LAUNCH_H_
