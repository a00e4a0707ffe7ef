#include "mount_target.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <climits>
#include <cstring>

namespace linx {
namespace {

// openat2(2) gives up where something was renamed or mounted meanwhile, anywhere in the system.
constexpr int kTries = 256;

raw::Fd OpenBeneath(int directory, const char* path, uint64_t resolve) {
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve;
  long fd = -EAGAIN;
  for (int i = 0; i < kTries && fd == -EAGAIN; ++i) {
    fd = raw::Call(SYS_openat2, directory, path, &how, sizeof(how));
  }
  return raw::Fd(fd);
}

bool MayMakeIn(const TargetRoot& root, int directory) {
  if (root.only_in == nullptr) return true;
  FileKind kind;
  if (Look(directory, &kind) < 0) return false;
  for (size_t i = 0; i < root.only_in_count; ++i) {
    if (root.only_in[i].mount_id == kind.mount_id) return true;
  }
  return false;
}

// EEXIST where something is there after all: a link that leads to nothing is not followed.
raw::Fd Make(const TargetRoot& root, int directory, const char* name, Want want, uint32_t mode) {
  if (!MayMakeIn(root, directory)) return raw::Fd(-ENOENT);
  if (want == Want::file) {
    const int flags = O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return raw::Fd(raw::Call(SYS_openat, directory, name, flags, mode));
  }
  const long rc = raw::Call(SYS_mkdirat, directory, name, mode);
  if (rc < 0) return raw::Fd(rc);
  const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  return raw::Fd(raw::Call(SYS_openat, directory, name, flags));
}

// Each prefix of the path is looked up from the root, so that links within it may go up.
raw::Fd OpenOrMake(const TargetRoot& root, const char* path, Want want, uint64_t resolve,
                   uint32_t mode) {
  char prefix[PATH_MAX];
  const size_t length = std::strlen(path);
  if (length >= sizeof(prefix)) return raw::Fd(-ENAMETOOLONG);
  raw::Fd parent;
  for (size_t name = 0, end = 0; end < length; name = end + 1) {
    end = name;
    while (end < length && path[end] != '/') ++end;
    std::memcpy(prefix, path, end);
    prefix[end] = '\0';
    raw::Fd here = OpenBeneath(root.fd, prefix, resolve);
    if (!here.ok() && here.error() == -ENOENT) {
      const bool last = end == length;
      here = Make(root, name == 0 ? root.fd : parent.get(), prefix + name,
                  last ? want : Want::directory, last ? mode : 0755);
    }
    if (!here.ok()) return here;
    parent = std::move(here);
  }
  return parent;
}

}  // namespace

raw::Fd OpenTarget(const TargetRoot& root, const char* path, Want want, uint64_t resolve,
                   uint32_t mode) {
  raw::Fd target = OpenBeneath(root.fd, path, resolve);
  if (target.ok() || target.error() != -ENOENT || want == Want::whatever_is_there) return target;
  return OpenOrMake(root, path, want, resolve, mode);
}

long CheckProc(const TargetRoot& root, const char* path) {
  if (std::strncmp(path, "proc/", 5) != 0) return 0;
  const raw::Fd proc = OpenBeneath(root.fd, "proc", RESOLVE_NO_SYMLINKS);
  if (!proc.ok()) return proc.error();
  struct statfs about = {};
  const long rc = raw::Call(SYS_fstatfs, proc.get(), &about);
  if (rc < 0) return rc;
  return about.f_type == PROC_SUPER_MAGIC ? 0 : -EMEDIUMTYPE;
}

}  // namespace linx
