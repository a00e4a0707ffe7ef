// The kernel's calls for mounts that are made first and put in place later (Linux 5.8). No heap, no
// errno: each answers what the kernel answers.
#ifndef LINX_MOUNT_CALLS_H_
#define LINX_MOUNT_CALLS_H_

#include <cstddef>
#include <cstdint>

#include "mount_steps.h"
#include "raw_syscall.h"

namespace linx::raw {

// A call's answer that is an fd, and its owner; or a negative errno.
class Fd {
 public:
  Fd() = default;
  explicit Fd(long answer) : answer_(answer) {}
  Fd(Fd&& other) noexcept : answer_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      answer_ = other.Release();
    }
    return *this;
  }
  ~Fd() { Reset(); }

  bool ok() const { return answer_ >= 0; }
  int get() const { return static_cast<int>(answer_); }
  long error() const { return answer_; }
  int Release() {
    const int fd = get();
    answer_ = -1;
    return fd;
  }
  void Reset() {
    if (ok()) Call(SYS_close, answer_);
    answer_ = -1;
  }

 private:
  long answer_ = -1;
};

}  // namespace linx::raw

namespace linx {

// A detached copy of the mount that a path is in, from there on down; `at_flags` are AT_*.
raw::Fd CloneTree(int directory, const char* path, unsigned at_flags);

// Adds MOUNT_ATTR_* flags to a mount that is in place, or takes one away. mount_setattr(2), or what
// does for it before Linux 5.12 (mount_remount.h): ahead of its place a mount could not be changed
// there.
long AddAttributes(int mount, uint64_t attributes, bool recursive);
long TakeAttributes(int mount, uint64_t attributes);

// Shows the files of a detached mount as the ids inside of a user namespace own them. -ENOSYS
// before Linux 5.12.
long MapIds(int mount, int user_namespace, bool recursive);

// No mount below `path` sends what happens in it to another namespace, or gets it from there.
long MakePrivate(const char* path);

// A new file system, mounted nowhere yet.
raw::Fd NewFileSystem(const char* type, const MountOption* options, size_t count,
                      uint64_t attributes);

// The same, of overlay: its lower layers are options `lowerdir+`, and all of them joined are
// `joined`, for kernels before 6.8. -EROFS where the kernel would take no changes, for want of
// rights to the upper layer or to what it needs to work there; so `attributes` are not to be
// read-only.
raw::Fd NewOverlay(const MountOption* options, size_t count, const char* joined, bool user_xattr,
                   uint64_t attributes);

// Puts a detached mount over what `place` is, or over `name` in that directory.
long MoveMount(int mount, int place, const char* name = "");

// The same over what `place` is, and adds attributes there.
long PlaceMount(int mount, int place, uint64_t attributes, bool recursive);

bool IsReadOnly(int mount);

struct FileKind {
  uint32_t mode = 0;  // as in stat(2)
  uint32_t device_major = 0, device_minor = 0;
  uint64_t mount_id = 0;
};
// -ENOSYS where the kernel does not tell mounts apart (before Linux 5.8).
long Look(int fd, FileKind* out);

}  // namespace linx

#endif  // LINX_MOUNT_CALLS_H_
