#include "mounts.h"

#include <doctest/doctest.h>
#include <linux/mount.h>

#include <string>

#include "request.h"
#include "test_frames.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::List;
using test::Map;
using test::Uint;

using Read = bool (*)(TermReader&, Mounts*);
using Options = std::vector<std::pair<std::string, std::string>>;

bool Takes(Read read, const std::string& term, Mounts* mounts) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  return reader.valid() && read(reader, mounts) && reader.AtEnd();
}

bool Takes(Read read, const std::string& term) {
  Mounts mounts;
  return Takes(read, term, &mounts);
}

std::pair<std::string, std::string> Kind(const char* kind) { return {Atom("kind"), Atom(kind)}; }
std::pair<std::string, std::string> At(const char* path) { return {Atom("target"), Binary(path)}; }
std::pair<std::string, std::string> From(const char* path) {
  return {Atom("source"), Binary(path)};
}

bool TakesMount(std::initializer_list<std::pair<std::string, std::string>> pairs) {
  return Takes(ReadMounts, List({Map(pairs)}));
}

Mounts Golden() {
  const std::string frame = test::Golden("request_spawn_mounts");
  TermReader reader(frame);
  REQUIRE(reader.ReadTupleOf(2));
  REQUIRE(reader.Skip());
  Result<Plan> plan = ReadPlan(Mode::spawn, reader);
  REQUIRE(plan.ok());
  return plan.value().mounts;
}

TEST_CASE("a root is a directory, a tmpfs, or the host's") {
  Mounts mounts;
  const std::string yes = Atom("true");
  REQUIRE(
      Takes(ReadRoot, Map({Kind("dir"), From("/srv/image"), {Atom("read_only"), yes}}), &mounts));
  CHECK(mounts.root->source == "/srv/image");
  CHECK(mounts.root->attributes == MOUNT_ATTR_RDONLY);
  CHECK(mounts.wanted());
  REQUIRE(Takes(ReadRoot, Map({Kind("tmpfs"), {Atom("size"), Uint(4096)}}), &mounts));
  CHECK(mounts.root->options == Options{{"size", "4096"}, {"mode", "755"}});
  REQUIRE(Takes(ReadRoot, Map({Kind("host"), {Atom("nosuid"), yes}}), &mounts));
  CHECK(mounts.root->source == "/");
  CHECK(mounts.root->attributes == MOUNT_ATTR_NOSUID);
}

TEST_CASE("what is no root is not taken") {
  for (const std::string& term :
       {Atom("host"), Map({}), Map({Kind("dir")}), Map({Kind("dir"), From("srv")}),
        Map({Kind("host"), From("/srv")}), Map({Kind("bind"), From("/srv")}),
        Map({Kind("tmpfs"), {Atom("read_only"), Uint(1)}}),
        Map({Kind("tmpfs"), {Atom("colour"), Uint(1)}})}) {
    CHECK_FALSE(Takes(ReadRoot, term));
  }
}

TEST_CASE("mounts keep their order and what belongs to their kind") {
  const Mounts mounts = Golden();
  REQUIRE(mounts.mounts.size() == 11);
  const auto& all = mounts.mounts;
  CHECK(mounts.root->attributes == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  CHECK(all[0].kind == MountKind::proc);
  CHECK(all[0].target == "proc");
  CHECK(all[0].options == Options{{"subset", "pid"}, {"hidepid", "2"}});
  CHECK(all[0].attributes == MOUNT_ATTR_NOEXEC);
  CHECK(all[1].attributes == MOUNT_ATTR_RDONLY);
  CHECK(all[4].options == Options{{"size", "67108864"}, {"nr_inodes", "1000"}, {"mode", "1777"}});
  CHECK(all[5].source == "/srv/job/42");
  CHECK_FALSE(all[5].recursive);
  CHECK(all[5].idmap);
  CHECK(mounts.id_mapped());
  CHECK(all[6].source == "/a\\:b:/usr");
  CHECK(
      all[6].options ==
      Options{{"lowerdir+", "/a:b"}, {"lowerdir+", "/usr"}, {"upperdir", "/u"}, {"workdir", "/w"}});
  CHECK(all[7].content == std::string("hello\n\0\xff", 8));
  CHECK(all[7].mode == 0444);
  CHECK(all[8].target == "var/empty");
  CHECK(all[8].mode == 0);
}

TEST_CASE("a target is made of names and is not the root itself") {
  CHECK(TakesMount({Kind("mask"), At("/proc/kcore")}));
  for (const char* path : {"", "/", "proc", "/a/", "/a//b", "/./a", "/a/../b", "/.."}) {
    CAPTURE(path);
    CHECK_FALSE(TakesMount({Kind("mask"), At(path)}));
  }
  CHECK_FALSE(TakesMount({Kind("mask"), {Atom("target"), Binary(std::string("/a\0b", 4))}}));
  CHECK_FALSE(TakesMount({Kind("mask"), At(("/" + std::string(4096, 'a')).c_str())}));
}

TEST_CASE("a mount has all that it needs and nothing else") {
  const auto lower = [](std::initializer_list<std::string> layers) {
    return std::pair<std::string, std::string>{Atom("lower"), List(layers)};
  };
  const std::pair<std::string, std::string> upper = {Atom("upper"), Binary("/u")};
  const std::pair<std::string, std::string> work = {Atom("work"), Binary("/w")};
  CHECK(TakesMount({Kind("overlay"), At("/a"), lower({Binary("/l"), Binary("/m")})}));
  CHECK(TakesMount({Kind("overlay"), At("/a"), lower({Binary("/l")}), upper, work}));
  CHECK_FALSE(TakesMount({Kind("overlay"), At("/a"), lower({Binary("/l")})}));
  CHECK_FALSE(TakesMount({Kind("overlay"), At("/a"), lower({Binary("/l")}), upper}));
  CHECK_FALSE(TakesMount({Kind("overlay"), At("/a"), lower({}), upper, work}));
  CHECK_FALSE(TakesMount({Kind("bind"), At("/a")}));
  CHECK_FALSE(TakesMount({At("/a"), From("/b")}));
  CHECK_FALSE(TakesMount({Kind("dev"), At("/dev"), {Atom("nodev"), Atom("false")}}));
  CHECK_FALSE(TakesMount({Kind("proc"), At("/proc"), {Atom("hidepid"), Uint(3)}}));
  CHECK_FALSE(TakesMount({Kind("tmpfs"), At("/a"), {Atom("size"), Uint(0)}}));
  CHECK_FALSE(TakesMount({Kind("tmpfs"), At("/a"), {Atom("nr_inodes"), Uint(0)}}));
  CHECK_FALSE(TakesMount({Kind("dir"), At("/a"), {Atom("mode"), Uint(010000)}}));
  CHECK_FALSE(TakesMount({Kind("dir"), At("/a"), At("/b")}));
  CHECK_FALSE(
      TakesMount({Kind("file"), At("/a"), {Atom("content"), Binary(std::string(0x100001, 'x'))}}));
}

TEST_CASE("there are at most 1024 mounts") {
  const std::string one = Map({Kind("dir"), At("/a")});
  for (const size_t count : {size_t{1024}, size_t{1025}}) {
    std::string list = "l" + test::BigEndian(count, 4);
    for (size_t i = 0; i < count; ++i) list += one;
    CHECK(Takes(ReadMounts, list + "j") == (count == 1024));
  }
}

TEST_CASE("a failure names what it was about") {
  const Mounts mounts = Golden();
  CHECK(DetailOf(mounts, Stage::propagation, 0) == "/");
  CHECK(DetailOf(mounts, Stage::root, 0) == "/srv/bilder/grün");
  CHECK(DetailOf(mounts, Stage::mount, 0) == "proc /proc");
  CHECK(DetailOf(mounts, Stage::mount, 5) == "bind /work <- /srv/job/42");
  CHECK(DetailOf(mounts, Stage::mount, 2) == "dev /dev");
  CHECK(DetailOf(mounts, Stage::mount, 2 | 1 << kMountPartShift) == "dev /dev/null");
  CHECK(DetailOf(mounts, Stage::mount, 2 | 7 << kMountPartShift) == "dev /dev/pts");
  CHECK(DetailOf(mounts, Stage::mount, 500).empty());
}

TEST_CASE("the child's copy is whole and in its region") {
  const Mounts mounts = Golden();
  const size_t size = SizeOf(mounts);
  Region region;
  REQUIRE(region.Ensure(size));
  const ChildMounts copy = Copy(mounts, true, &region);
  CHECK(region.used() <= size);
  CHECK(copy.user_namespace);
  CHECK_FALSE(copy.host_root);
  REQUIRE(copy.count == mounts.mounts.size());
  CHECK(std::string(copy.root->source) == "/srv/bilder/grün");
  CHECK(std::string(copy.mounts[6].options[3].value) == "/w");
  CHECK(copy.mounts[7].content_size == 8);
  CHECK(SizeOf(Mounts()) == 0);
  CHECK(Copy(Mounts(), false, &region).root == nullptr);
}

TEST_CASE("mounts without a root are put on the host's") {
  Mounts mounts;
  REQUIRE(Takes(ReadMounts, List({Map({Kind("tmpfs"), At("/tmp")})}), &mounts));
  Region region;
  REQUIRE(region.Ensure(SizeOf(mounts)));
  CHECK(Copy(mounts, false, &region).host_root);
}

}  // namespace
}  // namespace linx
