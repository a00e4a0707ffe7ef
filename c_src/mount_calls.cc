#include "mount_calls.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mount_remount.h"

namespace linx {
namespace {

constexpr unsigned long kReadOnly = 1;  // ST_RDONLY, in f_flags

long SetAttributes(int mount, bool recursive, const struct mount_attr& attributes) {
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
  return raw::Call(SYS_mount_setattr, mount, "", flags, &attributes, sizeof(attributes));
}

long SetOption(int fs, const char* name, const char* value) {
  return raw::Call(SYS_fsconfig, fs, FSCONFIG_SET_STRING, name, value, 0);
}

raw::Fd Open(const char* type) {
  raw::Fd fs(raw::Call(SYS_fsopen, type, FSOPEN_CLOEXEC));
  if (!fs.ok()) return fs;
  // What mountinfo shows as the source.
  const long rc = SetOption(fs.get(), "source", type);
  return rc < 0 ? raw::Fd(rc) : std::move(fs);
}

raw::Fd Finish(int fs, uint64_t attributes) {
  const long rc = raw::Call(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  if (rc < 0) return raw::Fd(rc);
  return raw::Fd(raw::Call(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

bool Is(const MountOption& option, const char* name) { return std::strcmp(option.name, name) == 0; }

// With its lower layers as one option, or where `joined` is null as one each.
raw::Fd MakeOverlay(const MountOption* options, size_t count, const char* joined, bool user_xattr,
                    uint64_t attributes) {
  raw::Fd fs = Open("overlay");
  if (!fs.ok()) return fs;
  long rc = joined == nullptr ? 0 : SetOption(fs.get(), "lowerdir", joined);
  for (size_t i = 0; i < count && rc >= 0; ++i) {
    if (joined != nullptr && Is(options[i], "lowerdir+")) continue;
    rc = SetOption(fs.get(), options[i].name, options[i].value);
  }
  // The attributes that overlay marks files with: trusted.* are the initial user namespace's.
  if (rc >= 0 && user_xattr) {
    rc = raw::Call(SYS_fsconfig, fs.get(), FSCONFIG_SET_FLAG, "userxattr", nullptr, 0);
  }
  return rc < 0 ? raw::Fd(rc) : Finish(fs.get(), attributes);
}

}  // namespace

raw::Fd CloneTree(int directory, const char* path, unsigned at_flags) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | at_flags;
  return raw::Fd(raw::Call(SYS_open_tree, directory, path, flags));
}

long AddAttributes(int mount, uint64_t attributes, bool recursive) {
  if (attributes == 0) return 0;
  struct mount_attr attr = {};
  attr.attr_set = attributes;
  const long rc = SetAttributes(mount, recursive, attr);
  return rc == -ENOSYS ? Remount(mount, attributes, 0, recursive) : rc;
}

long TakeAttributes(int mount, uint64_t attributes) {
  struct mount_attr attr = {};
  attr.attr_clr = attributes;
  const long rc = SetAttributes(mount, false, attr);
  return rc == -ENOSYS ? Remount(mount, 0, attributes, false) : rc;
}

long MapIds(int mount, int user_namespace, bool recursive) {
  struct mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_IDMAP;
  attr.userns_fd = static_cast<uint64_t>(user_namespace);
  return SetAttributes(mount, recursive, attr);
}

long MakePrivate(const char* path) {
  return raw::Call(SYS_mount, nullptr, path, nullptr, MS_REC | MS_PRIVATE, nullptr);
}

raw::Fd NewFileSystem(const char* type, const MountOption* options, size_t count,
                      uint64_t attributes) {
  raw::Fd fs = Open(type);
  if (!fs.ok()) return fs;
  for (size_t i = 0; i < count; ++i) {
    const long rc = SetOption(fs.get(), options[i].name, options[i].value);
    if (rc < 0) return raw::Fd(rc);
  }
  return Finish(fs.get(), attributes);
}

raw::Fd NewOverlay(const MountOption* options, size_t count, const char* joined, bool user_xattr,
                   uint64_t attributes) {
  bool changes = false;
  for (size_t i = 0; i < count; ++i) changes = changes || Is(options[i], "upperdir");
  raw::Fd overlay = MakeOverlay(options, count, nullptr, user_xattr, attributes);
  // Before Linux 6.5 an option that is not known is found out at the very end.
  if (overlay.error() == -EINVAL) {
    overlay = MakeOverlay(options, count, joined, user_xattr, attributes);
  }
  if (overlay.ok() && changes && IsReadOnly(overlay.get())) return raw::Fd(-EROFS);
  return overlay;
}

long MoveMount(int mount, int place, const char* name) {
  const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*name == '\0' ? MOVE_MOUNT_T_EMPTY_PATH : 0u);
  return raw::Call(SYS_move_mount, mount, "", place, name, flags);
}

long PlaceMount(int mount, int place, uint64_t attributes, bool recursive) {
  const long rc = MoveMount(mount, place);
  return rc < 0 ? rc : AddAttributes(mount, attributes, recursive);
}

bool IsReadOnly(int mount) {
  struct statfs about = {};
  return raw::Call(SYS_fstatfs, mount, &about) == 0 &&
         (static_cast<unsigned long>(about.f_flags) & kReadOnly) != 0;
}

long Look(int fd, FileKind* out) {
  struct statx stat = {};
  const unsigned wanted = STATX_TYPE | STATX_MODE | STATX_MNT_ID;
  const long rc = raw::Call(SYS_statx, fd, "", AT_EMPTY_PATH, wanted, &stat);
  if (rc < 0) return rc;
  if ((stat.stx_mask & STATX_MNT_ID) == 0) return -ENOSYS;
  *out = {stat.stx_mode, stat.stx_rdev_major, stat.stx_rdev_minor, stat.stx_mnt_id};
  return 0;
}

}  // namespace linx
