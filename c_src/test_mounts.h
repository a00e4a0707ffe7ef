// Mounts for tests, made in a mount namespace of their own.
#ifndef LINX_TEST_MOUNTS_H_
#define LINX_TEST_MOUNTS_H_

#include <sched.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "mounts.h"
#include "test_channel.h"
#include "test_listener.h"
#include "test_process.h"

namespace linx::test {

inline Mount MountOf(MountKind kind, const std::string& target, const std::string& source = {}) {
  Mount mount;
  mount.kind = kind;
  mount.source = source;
  mount.target = target;
  mount.mode = 0755;
  return mount;
}

inline Mounts OnTmpfs(std::vector<Mount> mounts) {
  Mounts all;
  all.root = MountOf(MountKind::tmpfs, {});
  all.mounts = std::move(mounts);
  return all;
}

// Writes the maps of the namespace that the process made: its own ids become 0.
inline bool MapOwnIds(uid_t uid, gid_t gid) {
  const auto write = [](const char* file, const std::string& text) {
    return static_cast<bool>(std::ofstream(file) << text << std::flush);
  };
  return write("/proc/self/setgroups", "deny") &&
         write("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1") &&
         write("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

// What `look` answers in a process that has these mounts; `before` comes ahead of them. Above 100:
// it did not get that far.
inline int Inside(
    const Mounts& mounts, const std::function<int(long, const MountFailure&)>& look,
    const std::function<bool()>& before = [] { return true; }) {
  Region region;
  if (!region.Ensure(SizeOf(mounts))) return 101;
  const ChildMounts plan = Copy(mounts, true, &region);
  return ForkProcess([&] {
           const uid_t uid = geteuid();
           const gid_t gid = getegid();
           if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !MapOwnIds(uid, gid)) return 102;
           if (!before()) return 104;
           umask(077);
           MountFailure failed;
           const long rc = MakeMounts(plan, &failed);
           return umask(0) == 077 ? look(rc, failed) : 103;
         })
      .ExitCode();
}

}  // namespace linx::test

#endif  // LINX_TEST_MOUNTS_H_
