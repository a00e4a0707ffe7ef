// Who is in a cgroup, by its cgroup.procs, which both versions have.
#ifndef LINX_CGROUP_MEMBERS_H_
#define LINX_CGROUP_MEMBERS_H_

#include <sys/types.h>

#include <vector>

namespace linx {

// Some thousands of them at most, and none of the cgroups below. `directory` is the cgroup's.
std::vector<pid_t> MembersOf(int directory);

// Moves a process in. False where the kernel refuses: errno says why.
bool AddMember(int directory, pid_t pid);

// SIGKILL to those, where there is no cgroup.kill: a frozen cgroup of version 1 is thawed first,
// and no process is hit that is not in it. Returns how many there were; who forks meanwhile needs
// another call.
size_t KillMembers(int directory);

}  // namespace linx

#endif  // LINX_CGROUP_MEMBERS_H_
