#include "mount_info.h"

#include <doctest/doctest.h>
#include <linux/mount.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "test_process.h"

namespace linx {
namespace {

struct Table {
  explicit Table(const std::string& text) {
    REQUIRE(write(pipe.in.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    pipe.in.Reset();
  }
  test::Pipe pipe;
  MountTable mounts{pipe.out.get()};
};

TEST_CASE("a table of mounts is read line by line") {
  Table table(
      "21 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 ro\n"
      "1234567 21 0:5 /a\\040b /a\\040b/c\\134\\011d ro,nosuid,nodev,noexec,nosymfollow - tmpfs x "
      "rw\n"
      "9 21 0:5 / /last rw,nodevice,noex - tmpfs tmpfs ro,nosuid\n");
  MountEntry entry;
  REQUIRE(table.mounts.Next(&entry) == 1);
  CHECK(entry.id == 21);
  CHECK(entry.flags == 0);
  CHECK(std::string(entry.place) == "/");
  REQUIRE(table.mounts.Next(&entry) == 1);
  CHECK(entry.id == 1234567);
  CHECK(entry.flags == (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW));
  CHECK(std::string(entry.place) == "/a b/c\\\td");
  REQUIRE(table.mounts.Next(&entry) == 1);
  CHECK(entry.flags == 0);
  CHECK(std::string(entry.place) == "/last");
  CHECK(table.mounts.Next(&entry) == 0);
}

TEST_CASE("lines may be longer than what is read at once, places not longer than paths") {
  const std::string options(9000, 'x');
  const std::string place = "/" + std::string(PATH_MAX - 2, 'p');
  Table table("1 1 0:1 / " + place + " ro," + options + ",nodev - overlay " + options + " rw\n" +
              "2 1 0:1 / " + place + "p ro - tmpfs tmpfs rw\n");
  MountEntry entry;
  REQUIRE(table.mounts.Next(&entry) == 1);
  CHECK(entry.place == place);
  CHECK(entry.flags == (MS_RDONLY | MS_NODEV));
  CHECK(table.mounts.Next(&entry) == -ENAMETOOLONG);
}

TEST_CASE("this process has mounts, the root among them") {
  const UniqueFd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  MountTable mounts(file.get());
  MountEntry entry;
  bool root = false;
  long rc;
  while ((rc = mounts.Next(&entry)) > 0) root = root || std::string(entry.place) == "/";
  CHECK(rc == 0);
  CHECK(root);
  MountTable none(-1);
  CHECK(none.Next(&entry) == -EBADF);
}

}  // namespace
}  // namespace linx
