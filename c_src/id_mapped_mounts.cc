#include "id_mapped_mounts.h"

#include <fcntl.h>

#include <cerrno>

#include "channel.h"
#include "mount_calls.h"
#include "pidfd.h"

namespace linx {
namespace {

constexpr char kNeedsNewer[] = ": idmap needs Linux 5.12";

Result<UniqueFd> Make(const Mount& mount, int user_namespace, const Error& failed) {
  raw::Fd tree = CloneTree(AT_FDCWD, mount.source.c_str(), mount.recursive ? AT_RECURSIVE : 0u);
  if (!tree.ok()) return Error::Of(failed.stage, static_cast<int>(-tree.error()), failed.detail);
  const long rc = MapIds(tree.get(), user_namespace, mount.recursive);
  if (rc == -ENOSYS) return Error::Of(failed.stage, ENOSYS, failed.detail + kNeedsNewer);
  if (rc < 0) return Error::Of(failed.stage, static_cast<int>(-rc), failed.detail);
  return MoveHigh(UniqueFd(tree.Release()));
}

std::string OrderFor(uint64_t element) {
  Order order = {};
  order.kind = Order::Kind::mount_tree;
  order.mask[0] = element;
  return std::string(reinterpret_cast<const char*>(&order), sizeof(order));
}

}  // namespace

Result<std::vector<IdMappedMount>> MakeIdMapped(const Mounts& mounts, int proc_fd, pid_t pid,
                                                int pidfd) {
  const std::string path = std::to_string(pid) + "/ns/user";
  const UniqueFd user_namespace(openat(proc_fd, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!user_namespace) return Error::Last(Stage::uid_map, "ns/user");
  // Not reaped before the look, so it was this process's.
  if (SendSignal(pidfd, 0) != 0) return Error::Of(Stage::uid_map, ESRCH, "ns/user");
  std::vector<IdMappedMount> made;
  const auto add = [&](const Mount& mount, Stage stage, size_t element) -> Status {
    const auto index = static_cast<int32_t>(element) - 1;
    const Error failed = Error::Of(stage, 0, DetailOf(mounts, stage, index));
    Result<UniqueFd> tree = Make(mount, user_namespace.get(), failed);
    if (!tree.ok()) return tree.error();
    made.push_back({OrderFor(element), tree.Take()});
    return {};
  };
  if (mounts.root && mounts.root->idmap) {
    if (Status added = add(*mounts.root, Stage::root, 0); !added.ok()) return added.error();
  }
  for (size_t i = 0; i < mounts.mounts.size(); ++i) {
    if (!mounts.mounts[i].idmap) continue;
    if (Status added = add(mounts.mounts[i], Stage::mount, i + 1); !added.ok())
      return added.error();
  }
  return made;
}

}  // namespace linx
