// Killing a whole tree of processes without a pid namespace or cgroup to name it by. No heap, no
// errno: the init and the guard use it.
#ifndef LINX_DESCENDANTS_H_
#define LINX_DESCENDANTS_H_

#include <sys/types.h>

namespace linx {

// Says which children of the root are left alone, with all below them.
struct Spare {
  bool (*spared)(void* context, pid_t pid) = nullptr;
  void* context = nullptr;
};

// Sends SIGKILL to every descendant of the caller that `spare` does not name, and thaws those that
// a cgroup v1 freezer holds. One pass: what forked meanwhile, or is reparented by the deaths, needs
// another, so callers repeat until they have no child left. `proc_fd` is a directory fd of a proc
// file system in which the caller and its descendants appear. A pid is never signalled by number:
// each process is opened first, and signalled only if it is still a child of the one it was found
// under, or of the caller. Returns how many were signalled.
int KillDescendants(int proc_fd, const Spare& spare);

// Sends a signal to the children of the caller, found and opened likewise.
void SignalChildren(int proc_fd, int number);

// Writes THAWED where the process sits in a frozen cgroup v1 freezer, in which SIGKILL waits.
// Needs the hierarchy mounted at /sys/fs/cgroup/freezer, where distributions put it.
void ThawFreezer(int proc_fd, pid_t pid);

}  // namespace linx

#endif  // LINX_DESCENDANTS_H_
