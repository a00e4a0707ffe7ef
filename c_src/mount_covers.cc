#include "mount_covers.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include "dev_steps.h"
#include "mount_calls.h"

namespace linx {
namespace {

constexpr uint64_t kInert =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

}  // namespace

long Mask(int target) {
  FileKind kind;
  const long rc = Look(target, &kind);
  if (rc < 0) return rc;
  if (S_ISDIR(kind.mode)) {
    const raw::Fd empty = NewFileSystem("tmpfs", nullptr, 0, kInert);
    return empty.ok() ? MoveMount(empty.get(), target) : empty.error();
  }
  const raw::Fd null = CloneNullDevice();
  if (!null.ok()) return null.error();
  return PlaceMount(null.get(), target, kInert & ~uint64_t{MOUNT_ATTR_NODEV}, false);
}

long MakeReadOnly(int target) {
  const raw::Fd tree = CloneTree(target, "", AT_EMPTY_PATH | AT_RECURSIVE);
  if (!tree.ok()) return tree.error();
  return PlaceMount(tree.get(), target, MOUNT_ATTR_RDONLY, true);
}

}  // namespace linx
