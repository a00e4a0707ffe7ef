// The child's half of a session: from clone to execve.
//
// It runs with a copy of the agent's memory without its heap, or sharing its memory for a moment
// (CloneSharing), so it allocates nothing, locks nothing and leaves errno alone. What it does is
// constant lists of steps, in child.cc.
#ifndef LINX_CHILD_H_
#define LINX_CHILD_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "landlock.h"
#include "mount_steps.h"
#include "place_fds.h"
#include "process_limits.h"
#include "surroundings.h"

namespace linx {

// All that the child needs, as plain memory outside the heap. Pointers lead into the same region.
struct ChildPlan {
  const char* path = nullptr;
  char* const* argv = nullptr;
  char* const* envp = nullptr;
  const char* cwd = nullptr;    // null: as it is
  const char* title = nullptr;  // it waits under this one, and has no program; null: it has one
  const uint32_t* groups = nullptr;
  size_t group_count = 0;
  ChildLimits limits;
  ChildSurroundings surroundings;
  ChildMounts mounts;
  ChildLandlock landlock;
  int channel = -1;             // SOCK_SEQPACKET to the agent, see channel.h
  int stdio[3] = {-1, -1, -1};  // what becomes fd 0, 1, 2; -1: as it is
  ChildFd* fds = nullptr;       // the others that the workload has
  size_t fd_count = 0;
  uint32_t uid = 0, gid = 0;
  pid_t parent = 0;  // what getppid() must answer; 0: not comparable
  bool set_uid = false;
  bool set_gid = false;
  bool set_groups = false;       // to `groups`; set wherever uid or gid are
  bool groups_optional = false;  // nobody named the groups: where the kernel forbids it, go on
  bool ids_optional = false;     // nobody named uid and gid: unmapped ones are left as they are
  bool controlling_tty = false;  // stdio[0] becomes it
  bool check_cwd = false;        // refuse a cwd outside the root even if none was named
  bool no_new_privs = false;
  bool defers_caps = false;  // orders wait for steps ahead of them, which need capabilities
  bool auto_proceed = false;
  bool fresh_time = false;       // joins a time namespace of its own, in force from its exec on
  bool fresh_cgroup = false;     // joins a cgroup namespace of its own, whose root is its leaf
  bool dumpable = false;         // until proceed: /proc/PID writable for an unprivileged owner
  bool outlives_parent = false;  // the exec'd program gets no death signal
};

// The memory that holds a plan, at the same address in the agent and in its forks.
struct PlanImage {
  char* base = nullptr;
  size_t size = 0;
  size_t used = 0;
};

// What FdsOf writes at most.
constexpr size_t kMaxChildFds = 4 + kMaxFdWishes;
// The open fds of the plan: its channel, and what becomes the workload's. How many there are.
size_t FdsOf(const ChildPlan& plan, int* out);

// Never returns: execs, or reports the failing step and exits.
[[noreturn]] void RunChild(const ChildPlan& plan);

// The same for one that is there before its plan, which it waits for on its channel and takes into
// `image`. It does not say when it is ready: it is so before it has the plan.
[[noreturn]] void RunStandby(int channel, PlanImage* image);

// In `ps`, of what waits for its next session.
constexpr char kIdleName[] = "linx_idle";

}  // namespace linx

#endif  // LINX_CHILD_H_
