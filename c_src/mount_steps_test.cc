#include "mount_steps.h"

#include <doctest/doctest.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "test_mounts.h"

namespace linx {
namespace {

mode_t ModeOf(const char* path) {
  struct stat about;
  return stat(path, &about) < 0 ? 0 : about.st_mode;
}

TEST_CASE("a root of its own has what was asked for and nothing else") {
  if (!test::HasUserNamespaces()) return;
  Mount file = test::MountOf(MountKind::file, "etc/motd");
  file.content = std::string("a\0b", 3);
  file.mode = 0640;
  file.attributes = MOUNT_ATTR_RDONLY;
  Mount dir = test::MountOf(MountKind::dir, "a/b/c");
  dir.mode = 01777;
  Mount tmpfs = test::MountOf(MountKind::tmpfs, "a/b/d");
  tmpfs.options = {{"mode", "700"}, {"size", "4096"}};
  Mounts mounts = test::OnTmpfs({file, dir, tmpfs, test::MountOf(MountKind::mask, "nothing/here"),
                                 test::MountOf(MountKind::mask, "etc/motd")});
  mounts.root->attributes = MOUNT_ATTR_RDONLY;
  const int answer = test::Inside(mounts, [](long rc, const MountFailure&) {
    if (rc != 0) return 1;
    if (ModeOf("/a/b") != (S_IFDIR | 0755)) return 2;
    if (ModeOf("/a/b/c") != (S_IFDIR | 01777)) return 3;
    if (ModeOf("/a/b/d") != (S_IFDIR | 0700)) return 4;
    if (mkdir("/x", 0755) == 0 || errno != EROFS) return 5;
    if (!S_ISCHR(ModeOf("/etc/motd"))) return 6;
    if (ModeOf("/tmp") != 0 || ModeOf("/nothing") != 0) return 7;
    return test::ReadLink("/proc/self/cwd").empty() ? 0 : 8;
  });
  CHECK(answer == 0);
}

TEST_CASE("a bind shows the host's file, which is looked up before anything is covered") {
  if (!test::HasUserNamespaces()) return;
  const test::Directory host;
  std::ofstream(host.path + "/file") << "the host's";
  Mount bind = test::MountOf(MountKind::bind, "below/here", host.path + "/file");
  bind.attributes = MOUNT_ATTR_RDONLY;
  const Mounts mounts = test::OnTmpfs({test::MountOf(MountKind::tmpfs, "tmp"), bind});
  const int answer = test::Inside(mounts, [](long rc, const MountFailure&) {
    if (rc != 0) return 1;
    if (test::ReadFile("/below/here") != "the host's") return 2;
    return open("/below/here", O_WRONLY) < 0 && errno == EROFS ? 0 : 3;
  });
  CHECK(answer == 0);
}

TEST_CASE("what fails is told by stage and element, and nothing is made") {
  if (!test::HasUserNamespaces()) return;
  const test::Directory host("link");
  REQUIRE(symlink("/etc", host.file.c_str()) == 0);
  Mounts mounts;
  mounts.root = test::MountOf(MountKind::bind, {}, host.path);
  mounts.mounts = {test::MountOf(MountKind::mask, "file"),
                   test::MountOf(MountKind::tmpfs, "link/below")};
  const auto fails_with = [](Stage stage, int32_t element, long code) {
    return [=](long rc, const MountFailure& failed) {
      if (failed.stage != stage) return 1;
      return failed.element == element && rc == code ? 0 : 2;
    };
  };
  CHECK(test::Inside(mounts, fails_with(Stage::mount, 1, -EXDEV)) == 0);
  mounts.mounts = {test::MountOf(MountKind::bind, "file", host.path + "/missing")};
  CHECK(test::Inside(mounts, fails_with(Stage::mount, 0, -ENOENT)) == 0);
  mounts.root->source = host.path + "/missing";
  CHECK(test::Inside(mounts, fails_with(Stage::root, 0, -ENOENT)) == 0);
  // In the host's own directories nothing is made.
  mounts.root.reset();
  mounts.mounts = {test::MountOf(MountKind::dir, host.path.substr(1) + "/file")};
  CHECK(test::Inside(mounts, fails_with(Stage::mount, 0, -ENOENT)) == 0);
  CHECK(ModeOf((host.path + "/file").c_str()) == 0);
}

TEST_CASE("many mounts and a long path are no more than the plan says") {
  if (!test::HasUserNamespaces()) return;
  std::string deep = "a";
  while (deep.size() < 3000) deep += "/" + std::string(100, 'b');
  std::vector<Mount> list = {test::MountOf(MountKind::dir, deep)};
  for (int i = 0; i < 200; ++i) {
    Mount file = test::MountOf(MountKind::file, "files/" + std::to_string(i));
    file.content = std::to_string(i);
    list.push_back(file);
  }
  const int answer = test::Inside(test::OnTmpfs(list), [&](long rc, const MountFailure&) {
    if (rc != 0) return 1;
    if (test::ReadFile("/files/0") != "0" || test::ReadFile("/files/199") != "199") return 2;
    return S_ISDIR(ModeOf(("/" + deep).c_str())) ? 0 : 3;
  });
  CHECK(answer == 0);
}

TEST_CASE("each call that the kernel refuses is told with its stage") {
  if (!test::HasUserNamespaces()) return;
  Mount file = test::MountOf(MountKind::file, "file");
  file.content = "content";
  Mounts mounts =
      test::OnTmpfs({test::MountOf(MountKind::bind, "passwd", "/etc/passwd"), file,
                     test::MountOf(MountKind::dir, "dir"), test::MountOf(MountKind::dev, "dev"),
                     test::MountOf(MountKind::mask, "passwd")});
  mounts.root->attributes = MOUNT_ATTR_RDONLY;
  const struct {
    long call;
    Stage stage;
    int32_t element;
  } cases[] = {
      {SYS_mount, Stage::propagation, 0},     {SYS_open_tree, Stage::mount, 0},
      {SYS_fsopen, Stage::root, 0},           {SYS_fsconfig, Stage::root, 0},
      {SYS_fsmount, Stage::root, 0},          {SYS_move_mount, Stage::root, 0},
      {SYS_openat, Stage::mount, 1},          {SYS_write, Stage::mount, 1},
      {SYS_umount2, Stage::mount, 1},         {SYS_statx, Stage::mount, 0},
      {SYS_openat2, Stage::mount, 0},         {SYS_mkdirat, Stage::mount, 2},
      {SYS_pivot_root, Stage::pivot_root, 0}, {SYS_chdir, Stage::pivot_root, 0},
  };
  for (const auto& one : cases) {
    CAPTURE(one.call);
    const auto refuse = [&] { return test::Refuse(one.call); };
    const auto look = [&](long rc, const MountFailure& failed) {
      if (rc != -ENOSYS) return 1;
      if (failed.stage != one.stage) return 2;
      return one.stage != Stage::mount || failed.element == one.element ? 0 : 3;
    };
    CHECK(test::Inside(mounts, look, refuse) == 0);
  }
  // The device, the directories and the links of a /dev are its parts.
  const auto part = [](long rc, const MountFailure& failed) {
    return rc == -ENOSYS && failed.element == (3 | 9 << kMountPartShift) ? 0 : 1;
  };
  CHECK(test::Inside(mounts, part, [] { return test::Refuse(SYS_symlinkat); }) == 0);
}

TEST_CASE("without mounts nothing is done") {
  MountFailure failed;
  CHECK(MakeMounts(ChildMounts(), &failed) == 0);
}

}  // namespace
}  // namespace linx
