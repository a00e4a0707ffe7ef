#include "dev_steps.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <iterator>
#include <utility>

namespace linx {
namespace {

struct Device {
  const char* name;
  const char* path;
  uint32_t major, minor;
};

constexpr Device kDevices[] = {
    {"null", "/dev/null", 1, 3},     {"zero", "/dev/zero", 1, 5},       {"full", "/dev/full", 1, 7},
    {"random", "/dev/random", 1, 8}, {"urandom", "/dev/urandom", 1, 9}, {"tty", "/dev/tty", 5, 0},
};

struct Link {
  const char* name;
  const char* to;
};

constexpr Link kLinks[] = {
    {"ptmx", "pts/ptmx"},          {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
};

struct Directory {
  const char* name;
  uint32_t mode;
  const char* type;
  MountOption options[2];
  uint64_t attributes;
};

constexpr uint64_t kQuiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

constexpr Directory kDirectories[] = {
    {"pts", 0755, "devpts", {{"ptmxmode", "0666"}, {"mode", "0620"}}, kQuiet},
    {"shm", 01777, "tmpfs", {{"mode", "1777"}, {"size", "67108864"}}, kQuiet | MOUNT_ATTR_NODEV},
};

constexpr size_t kDeviceCount = std::size(kDevices);
constexpr size_t kDirectoryCount = std::size(kDirectories);

// A host may have anything at these paths; only the device itself is taken.
raw::Fd Clone(const Device& device) {
  raw::Fd tree = CloneTree(AT_FDCWD, device.path, AT_SYMLINK_NOFOLLOW);
  if (!tree.ok()) return tree;
  FileKind kind;
  const long rc = Look(tree.get(), &kind);
  if (rc < 0) return raw::Fd(rc);
  const bool same =
      S_ISCHR(kind.mode) && kind.device_major == device.major && kind.device_minor == device.minor;
  return same ? std::move(tree) : raw::Fd(-ENXIO);
}

long Place(int dev, const Device& device) {
  const raw::Fd tree = Clone(device);
  if (!tree.ok()) return tree.error();
  const int flags = O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const raw::Fd below(raw::Call(SYS_openat, dev, device.name, flags, 0666));
  return below.ok() ? PlaceMount(tree.get(), below.get(), kQuiet, false) : below.error();
}

long Place(int dev, const Directory& directory) {
  const raw::Fd tree = NewFileSystem(directory.type, directory.options, 2, directory.attributes);
  if (!tree.ok()) return tree.error();
  const long rc = raw::Call(SYS_mkdirat, dev, directory.name, directory.mode);
  return rc < 0 ? rc : MoveMount(tree.get(), dev, directory.name);
}

long Place(int dev, const Link& link) { return raw::Call(SYS_symlinkat, link.to, dev, link.name); }

template <typename Part, size_t kCount>
long PlaceAll(int dev, const Part (&parts)[kCount], int32_t* part) {
  for (const Part& one : parts) {
    const long rc = Place(dev, one);
    if (rc < 0) return rc;
    ++*part;
  }
  return 0;
}

}  // namespace

raw::Fd CloneNullDevice() { return Clone(kDevices[0]); }

long FillDev(int dev, int32_t* part) {
  *part = 1;
  long rc = PlaceAll(dev, kDevices, part);
  if (rc == 0) rc = PlaceAll(dev, kDirectories, part);
  return rc < 0 ? rc : PlaceAll(dev, kLinks, part);
}

const char* NameOfDevPart(int32_t part) {
  const auto index = static_cast<size_t>(part - 1);
  if (index < kDeviceCount) return kDevices[index].name;
  if (index < kDeviceCount + kDirectoryCount) return kDirectories[index - kDeviceCount].name;
  return "links";
}

}  // namespace linx
