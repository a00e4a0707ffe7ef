#include "id_mapped_mounts.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "test_mounts.h"

namespace linx {
namespace {

// How it fails where the kernel has no mount_setattr(2); nothing where it does not.
std::string WithoutTheCall(const Mounts& mounts) {
  test::Pipe told;
  const auto look = [&](long, const MountFailure&) {
    const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd self = test::OpenPidfd(getpid());
    const auto made = MakeIdMapped(mounts, proc.get(), getpid(), self.get());
    if (made.ok() || made.error().code != ENOSYS) return 1;
    const std::string& text = made.error().detail;
    return write(told.in.get(), text.data(), text.size()) > 0 ? 0 : 2;
  };
  const auto before = [] { return test::Refuse(SYS_mount_setattr); };
  CHECK(test::Inside({}, look, before) == 0);
  return told.ReadAll();
}

TEST_CASE("a kernel that maps no ids is told the one that does") {
  if (!test::HasUserNamespaces()) return;
  Mounts mounts;
  mounts.root = test::MountOf(MountKind::bind, {}, "/etc");
  mounts.root->idmap = true;
  CHECK(WithoutTheCall(mounts) == "/etc: idmap needs Linux 5.12");
  mounts.root.reset();
  mounts.mounts = {test::MountOf(MountKind::dir, "mnt"),
                   test::MountOf(MountKind::bind, "mnt", "/etc")};
  mounts.mounts[1].idmap = true;
  CHECK(WithoutTheCall(mounts) == "bind /mnt <- /etc: idmap needs Linux 5.12");
}

}  // namespace
}  // namespace linx
