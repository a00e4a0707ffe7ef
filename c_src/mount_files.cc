#include "mount_files.h"

#include <fcntl.h>
#include <linux/mount.h>

#include <cerrno>
#include <utility>

#include "mount_calls.h"

namespace linx {
namespace {

constexpr unsigned kDetach = 2;  // MNT_DETACH

struct FileName {
  explicit FileName(size_t number) {
    for (char* digit = text + 4; digit-- > text; number /= 16) {
      *digit = static_cast<char>('a' + number % 16);
    }
  }
  char text[5] = {};
};

long WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const long n = raw::Call(SYS_write, fd, bytes, size);
    if (n == -EINTR) continue;
    if (n < 0) return n;
    bytes += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

long WriteFile(int staging, const char* name, const ChildMount& file) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const raw::Fd fd(raw::Call(SYS_openat, staging, name, flags, file.mode));
  return fd.ok() ? WriteAll(fd.get(), file.content, file.content_size) : fd.error();
}

// Only what is mounted somewhere can be cloned.
raw::Fd MakeStaging() {
  raw::Fd staging = NewFileSystem("tmpfs", nullptr, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (!staging.ok()) return staging;
  const long rc = MoveMount(staging.get(), AT_FDCWD, "/");
  return rc < 0 ? raw::Fd(rc) : std::move(staging);
}

long Unstage(int staging) {
  const long rc = raw::Call(SYS_fchdir, staging);
  return rc < 0 ? rc : raw::Call(SYS_umount2, ".", kDetach);
}

}  // namespace

long WriteFiles(ChildMount* mounts, size_t count, int32_t* element) {
  raw::Fd staging;
  for (size_t i = 0; i < count; ++i) {
    ChildMount& file = mounts[i];
    if (file.kind != MountKind::file) continue;
    *element = static_cast<int32_t>(i);
    if (!staging.ok()) staging = MakeStaging();
    if (!staging.ok()) return staging.error();
    const FileName name(i);
    const long rc = WriteFile(staging.get(), name.text, file);
    if (rc < 0) return rc;
    raw::Fd tree = CloneTree(staging.get(), name.text, AT_SYMLINK_NOFOLLOW);
    if (!tree.ok()) return tree.error();
    file.tree = tree.Release();
  }
  return staging.ok() ? Unstage(staging.get()) : 0;
}

}  // namespace linx
