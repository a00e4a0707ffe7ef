#include "mount_remount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "mount_calls.h"
#include "mount_info.h"
#include "mount_target.h"
#include "proc_self.h"

namespace linx {
namespace {

static_assert(MOUNT_ATTR_RDONLY == MS_RDONLY && MOUNT_ATTR_NOSUID == MS_NOSUID &&
                  MOUNT_ATTR_NODEV == MS_NODEV && MOUNT_ATTR_NOEXEC == MS_NOEXEC,
              "the attributes are flags of mount(2), too");

struct FdName {
  explicit FdName(int fd) {
    char* digit = text + sizeof(text) - 1;
    for (*digit = '\0'; digit == text + sizeof(text) - 1 || fd > 0; fd /= 10) {
      *--digit = static_cast<char>('0' + fd % 10);
    }
    std::memmove(text, digit, std::strlen(digit) + 1);
  }
  char text[12];
};

// Nothing but a path names a mount to mount(2): the one in the working directory, /proc/self/fd,
// which is a link to the very mount. The flags that it has stay: those that came with it into a
// user namespace cannot be taken away (EPERM), and atime is left alone where nothing is said of it.
long Change(int mount, uint64_t flags, uint64_t add, uint64_t take) {
  const uint64_t wanted = (flags | add) & ~take;
  if (wanted == flags) return 0;
  return raw::Call(SYS_mount, nullptr, FdName(mount).text, nullptr, MS_REMOUNT | MS_BIND | wanted,
                   nullptr);
}

bool LeadsNowhere(long error) {
  return error == -ENOENT || error == -ENOTDIR || error == -ELOOP || error == -EACCES;
}

// A mount of the table, if it is below the one at `top`: others have their places there, too, but
// no path from `mount` leads to them.
long ChangeBelow(int mount, const char* top, const MountEntry& entry, uint64_t add, uint64_t take) {
  const char* path = PathBelow(top, entry.place);
  if (path == nullptr) return 0;
  const raw::Fd there = OpenTarget({mount}, path, Want::whatever_is_there, RESOLVE_NO_SYMLINKS);
  if (!there.ok()) return LeadsNowhere(there.error()) ? 0 : there.error();
  FileKind kind;
  const long rc = Look(there.get(), &kind);
  if (rc < 0 || kind.mount_id != entry.id) return rc;
  return Change(there.get(), entry.flags, add, take);
}

}  // namespace

const char* PathBelow(const char* top, const char* place) {
  size_t length = std::strlen(top);
  if (length > 0 && top[length - 1] == '/') --length;
  if (std::strncmp(top, place, length) != 0 || place[length] != '/') return nullptr;
  return place[length + 1] == '\0' ? nullptr : place + length + 1;
}

long Remount(int mount, uint64_t add, uint64_t take, bool recursive) {
  FileKind kind;
  long rc = Look(mount, &kind);
  if (rc < 0) return rc;
  const raw::Fd fds(OpenProcSelf("self/fd", O_PATH | O_DIRECTORY));
  if (!fds.ok()) return fds.error();
  const raw::Fd table(OpenProcSelf("self/mountinfo", O_RDONLY));
  if (!table.ok()) return table.error();
  rc = raw::Call(SYS_fchdir, fds.get());
  if (rc < 0) return rc;
  char top[PATH_MAX];
  const long length = raw::Call(SYS_readlinkat, fds.get(), FdName(mount).text, top, sizeof(top));
  if (length < 0) return length;
  if (length == sizeof(top)) return -ENAMETOOLONG;
  top[length] = '\0';
  MountTable mounts(table.get());
  MountEntry entry;
  bool found = false;
  while ((rc = mounts.Next(&entry)) > 0) {
    const bool itself = entry.id == kind.mount_id;
    found = found || itself;
    if (itself) rc = Change(mount, entry.flags, add, take);
    if (!itself && recursive) rc = ChangeBelow(mount, top, entry, add, take);
    if (rc < 0) return rc;
  }
  return rc < 0 || found ? rc : -EINVAL;
}

}  // namespace linx
