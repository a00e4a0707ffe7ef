#include "cgroup_members.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "pidfd.h"
#include "unique_fd.h"

namespace linx {
namespace {

// What one read gives.
constexpr size_t kReadBytes = 64u << 10;
// How many are opened at a time.
constexpr size_t kAtOnce = 64;

void Thaw(int directory) {
  constexpr std::string_view kThawed = "THAWED";
  const UniqueFd state(openat(directory, "freezer.state", O_WRONLY | O_CLOEXEC));
  // Where it cannot be, SIGKILL waits for somebody else to do it.
  if (state && write(state.get(), kThawed.data(), kThawed.size()) < 0) return;
}

}  // namespace

std::vector<pid_t> MembersOf(int directory) {
  const UniqueFd in(openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC));
  std::string text(kReadBytes, '\0');
  const ssize_t n = in ? read(in.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  std::vector<pid_t> pids;
  const char* at = text.c_str();
  for (char* end; const long pid = std::strtol(at, &end, 10); at = end) {
    pids.push_back(static_cast<pid_t>(pid));
  }
  return pids;
}

bool AddMember(int directory, pid_t pid) {
  const UniqueFd out(openat(directory, "cgroup.procs", O_WRONLY | O_CLOEXEC));
  const std::string number = std::to_string(pid);
  return out &&
         write(out.get(), number.data(), number.size()) == static_cast<ssize_t>(number.size());
}

size_t KillMembers(int directory) {
  Thaw(directory);
  const std::vector<pid_t> members = MembersOf(directory);
  for (size_t begin = 0; begin < members.size(); begin += kAtOnce) {
    std::vector<std::pair<pid_t, UniqueFd>> opened;
    for (size_t i = begin; i < std::min(begin + kAtOnce, members.size()); ++i) {
      UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, members[i], 0)));
      if (pidfd) opened.emplace_back(members[i], std::move(pidfd));
    }
    // A number that went to a process elsewhere before it was opened is not listed any more; one
    // that went on after that is not what is open.
    const std::vector<pid_t> still = MembersOf(directory);
    for (const auto& [pid, pidfd] : opened) {
      if (std::find(still.begin(), still.end(), pid) != still.end()) {
        SendSignal(pidfd.get(), SIGKILL);
      }
    }
  }
  return members.size();
}

}  // namespace linx
