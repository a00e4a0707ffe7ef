#include "target_cgroups.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "cgroup_members.h"
#include "cgroup_tree.h"
#include "pidfd.h"
#include "proc_stat.h"

namespace linx {
namespace {

bool IsThere(const std::vector<CgroupPlace>& places, const CgroupPlace& wanted) {
  return std::any_of(places.begin(), places.end(), [&wanted](const CgroupPlace& place) {
    return place.controllers == wanted.controllers && place.path == wanted.path;
  });
}

// A hierarchy of version 1 without controllers limits nothing.
bool IsNamed(const CgroupPlace& place) { return place.controllers.rfind("name=", 0) == 0; }

Result<std::string> PathOf(const CgroupPlace& place, std::string_view mountinfo) {
  const std::string_view first = place.controllers.substr(0, place.controllers.find(','));
  const std::optional<CgroupMount> mount =
      first.empty() ? FindCgroup2(mountinfo) : FindCgroup1(mountinfo, first);
  const std::string name = first.empty() ? "cgroup v2" : std::string(first) + " of cgroup v1";
  if (!mount) return Error::Of(Stage::cgroup_open, ENODEV, name + " is not mounted");
  std::optional<std::string> path = DirectoryOf(*mount, place.path);
  if (path) return *std::move(path);
  return Error::Of(Stage::cgroup_open, ENOENT, "the target's cgroup of " + name);
}

}  // namespace

Result<TargetCgroups> TargetCgroups::Open(int proc_fd, int target_pidfd) {
  const pid_t pid = PidOf(proc_fd, target_pidfd);
  const std::string theirs = ReadProcFile(proc_fd, (std::to_string(pid) + "/cgroup").c_str());
  // Alive after that: so the pid meant the target.
  if (pid == 0 || HasExited(target_pidfd)) return Error::Of(Stage::open_target, ESRCH);
  const std::string ours = ReadProcFile(proc_fd, "self/cgroup");
  const std::string mountinfo = ReadProcFile(proc_fd, "self/mountinfo");
  const std::vector<CgroupPlace> own = PlacesOf(ours);
  TargetCgroups target;
  for (const CgroupPlace& place : PlacesOf(theirs)) {
    if (IsNamed(place) || IsThere(own, place)) continue;
    Result<std::string> path = PathOf(place, mountinfo);
    if (!path.ok()) return path.error();
    UniqueFd directory =
        MoveHigh(UniqueFd(open(path.value().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    if (!directory) return Error::Last(Stage::cgroup_open, path.Take());
    target.all_.push_back({std::move(directory), path.Take()});
  }
  return target;
}

Status TargetCgroups::Place(pid_t pid) const {
  for (const One& one : all_) {
    if (!AddMember(one.directory.get(), pid)) return Error::Last(Stage::cgroup_procs, one.path);
  }
  return {};
}

}  // namespace linx
