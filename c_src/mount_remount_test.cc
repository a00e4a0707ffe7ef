#include "mount_remount.h"

#include <doctest/doctest.h>
#include <linux/mount.h>
#include <sys/statfs.h>

#include <string>

#include "test_mounts.h"

namespace linx {
namespace {

constexpr uint64_t kInert =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// The flags of the mount that a path leads to, of those that are of interest here.
uint64_t FlagsAt(const std::string& path) {
  struct statfs about = {};
  if (statfs(path.c_str(), &about) < 0) return ~uint64_t{0};
  return static_cast<uint64_t>(about.f_flags) & kInert;
}

bool MountTmpfs(const std::string& path, unsigned long flags = 0) {
  mkdir(path.c_str(), 0755);
  return syscall(SYS_mount, "tmpfs", path.c_str(), "tmpfs", flags, nullptr) == 0;
}

// Mounts below mounts, one with an odd name, and one that another hides.
bool MakeSubmounts(const std::string& top) {
  return MountTmpfs(top) && MountTmpfs(top + "/a b\\", MS_NOSUID) &&
         MountTmpfs(top + "/a b\\/below") && MountTmpfs(top + "/hidden") &&
         MountTmpfs(top + "/hidden/lower") && MountTmpfs(top + "/hidden", MS_NOEXEC);
}

// What is so with mount_setattr(2) is so without it.
template <typename Look>
void InBothWays(const Mounts& mounts, const std::string& top, Look look) {
  for (const bool refused : {false, true}) {
    CAPTURE(refused);
    const auto before = [&] {
      return MakeSubmounts(top) && (!refused || test::Refuse(SYS_mount_setattr));
    };
    CHECK(test::Inside(mounts, look, before) == 0);
  }
}

TEST_CASE("places below others") {
  CHECK(PathBelow("/", "/a/b") == std::string("a/b"));
  CHECK(PathBelow("/a", "/a/b") == std::string("b"));
  CHECK(PathBelow("/", "/") == nullptr);
  CHECK(PathBelow("/a", "/a") == nullptr);
  CHECK(PathBelow("/a", "/ab") == nullptr);
  CHECK(PathBelow("/a/b", "/a") == nullptr);
  CHECK(PathBelow("/a", "/b/a/c") == nullptr);
}

TEST_CASE("attributes of a bind reach what is mounted below it, and take none away") {
  if (!test::HasUserNamespaces()) return;
  const test::Directory host;
  Mount bind = test::MountOf(MountKind::bind, "b", host.path);
  bind.attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
  Mount alone = test::MountOf(MountKind::bind, "alone", host.path);
  alone.attributes = MOUNT_ATTR_RDONLY;
  alone.recursive = false;
  const Mounts mounts = test::OnTmpfs({bind, alone, test::MountOf(MountKind::tmpfs, "b/hidden")});
  InBothWays(mounts, host.path, [&](long rc, const MountFailure&) {
    if (rc != 0) return 1;
    if (FlagsAt("/b") != bind.attributes) return 2;
    if (FlagsAt("/b/a b\\") != (bind.attributes | MOUNT_ATTR_NOSUID)) return 3;
    if (FlagsAt("/b/a b\\/below") != bind.attributes) return 4;
    if (FlagsAt("/b/hidden") != 0 || FlagsAt("/alone") != MOUNT_ATTR_RDONLY) return 5;
    if (syscall(SYS_umount2, "/b/hidden", 0) < 0) return 6;
    if (FlagsAt("/b/hidden") != (bind.attributes | MOUNT_ATTR_NOEXEC)) return 7;
    return mkdir("/b/a b\\/below/x", 0755) < 0 && errno == EROFS ? 0 : 8;
  });
}

TEST_CASE("a read-only root is that in all its mounts, but may have targets made before") {
  if (!test::HasUserNamespaces()) return;
  const test::Directory host;
  Mounts mounts;
  mounts.root = test::MountOf(MountKind::bind, {}, host.path);
  mounts.root->attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  mounts.mounts = {test::MountOf(MountKind::tmpfs, "new/place"),
                   test::MountOf(MountKind::dev, "dev"),
                   test::MountOf(MountKind::mask, "a b\\/below")};
  InBothWays(mounts, host.path, [&](long rc, const MountFailure&) {
    if (rc != 0) return 1;
    if (FlagsAt("/") != mounts.root->attributes) return 2;
    if (FlagsAt("/a b\\") != mounts.root->attributes) return 3;
    if (FlagsAt("/new/place") != 0 || mkdir("/new/place/x", 0755) < 0) return 4;
    if (FlagsAt("/a b\\/below") != kInert) return 5;
    if (mkdir("/new/x", 0755) == 0 || errno != EROFS) return 6;
    const uint64_t device = FlagsAt("/dev/null");
    if ((device & (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)) == 0) return 7;
    return (FlagsAt("/dev") & MOUNT_ATTR_RDONLY) != 0 ? 0 : 8;
  });
}

TEST_CASE("flags that came with a mount into the user namespace stay") {
  if (!test::HasUserNamespaces()) return;
  const uint64_t host = FlagsAt("/sys");
  Mount bind = test::MountOf(MountKind::bind, "b", "/sys");
  bind.attributes = MOUNT_ATTR_RDONLY;
  const auto look = [&](long rc, const MountFailure&) {
    return rc == 0 && FlagsAt("/b") == (host | MOUNT_ATTR_RDONLY) ? 0 : 1;
  };
  const auto before = [] { return test::Refuse(SYS_mount_setattr); };
  CHECK(test::Inside(test::OnTmpfs({bind}), look, before) == 0);
}

TEST_CASE("without a procfs there is nothing to tell mounts apart by") {
  if (!test::HasUserNamespaces()) return;
  Mount bind = test::MountOf(MountKind::bind, "b", "/etc");
  bind.attributes = MOUNT_ATTR_RDONLY;
  const auto look = [](long rc, const MountFailure& failed) {
    return rc == -ENODEV && failed.stage == Stage::mount && failed.element == 0 ? 0 : 1;
  };
  const auto before = [] { return MountTmpfs("/proc") && test::Refuse(SYS_mount_setattr); };
  CHECK(test::Inside(test::OnTmpfs({bind}), look, before) == 0);
}

}  // namespace
}  // namespace linx
