#include "mount_calls.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "test_mounts.h"

namespace linx {
namespace {

bool WriteNew(const std::string& path) { return static_cast<bool>(std::ofstream(path) << path); }

// Two directories in a tmpfs over `top`, with a file in each.
bool MakeLayers(const std::string& top) {
  if (syscall(SYS_mount, "tmpfs", top.c_str(), "tmpfs", 0, nullptr) < 0) return false;
  for (const char* name : {"/a:b", "/c"}) mkdir((top + name).c_str(), 0755);
  return WriteNew(top + "/a:b/one") && WriteNew(top + "/c/two");
}

bool Shows(int mount, const char* name) { return faccessat(mount, name, F_OK, 0) == 0; }

TEST_CASE("layers of an overlay are given one by one, or joined where that is not understood") {
  if (!test::HasUserNamespaces()) return;
  const test::Directory host;
  const std::string first = host.path + "/a:b", second = host.path + "/c";
  const std::string joined = host.path + "/a\\:b:" + second;
  const MountOption each[] = {{"lowerdir+", first.c_str()}, {"lowerdir+", second.c_str()}};
  const MountOption unknown[] = {{"lowerdir+", first.c_str()}, {"lowerdir+", ""}};
  const auto make = [&](long, const MountFailure&) {
    if (!MakeLayers(host.path)) return 1;
    const raw::Fd one = NewOverlay(each, 2, "no/such", true, 0);
    if (!one.ok() || !Shows(one.get(), "one") || !Shows(one.get(), "two")) return 2;
    const raw::Fd other = NewOverlay(unknown, 2, joined.c_str(), true, 0);
    if (!other.ok() || !Shows(other.get(), "one") || !Shows(other.get(), "two")) return 3;
    const raw::Fd none = NewOverlay(unknown, 2, "", true, 0);
    return none.error() == -EINVAL ? 0 : 4;
  };
  CHECK(test::Inside({}, make) == 0);
}

}  // namespace
}  // namespace linx
