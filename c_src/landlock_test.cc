#include "landlock.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "protocol.h"
#include "test_process.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::List;
using test::Map;
using test::Tuple;
using test::Uint;

constexpr uint64_t Bit(FsRight right) { return uint64_t{1} << static_cast<unsigned>(right); }
constexpr uint64_t kReading = Bit(FsRight::read_file) | Bit(FsRight::read_dir);

bool Reads(const std::string& term, LandlockLayers* out) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  REQUIRE(reader.valid());
  return ReadLandlock(reader, out) && reader.AtEnd();
}

TEST_CASE("names become the bits of the kernel's header") {
  LandlockLayers layers;
  CHECK(Reads(Map({{Atom("handled_fs"), List({Atom("execute"), Atom("ioctl_dev")})},
                   {Atom("paths"), List({Tuple({Binary("/usr"), List({Atom("execute")})})})},
                   {Atom("handled_net"), List({Atom("bind_tcp"), Atom("connect_tcp")})},
                   {Atom("ports"), List({Tuple({Uint(443), List({Atom("connect_tcp")})})})},
                   {Atom("scopes"), List({Atom("signal"), Atom("abstract_unix_socket")})},
                   {Atom("best_effort"), Atom("true")}}),
              &layers));
  REQUIRE(layers.size() == 1);
  const Landlock& landlock = layers[0];
  CHECK(landlock.handled_fs == (1u << 0 | 1u << 15));
  REQUIRE(landlock.paths.size() == 1);
  CHECK(landlock.paths[0].path == "/usr");
  CHECK(landlock.paths[0].rights == 1);
  CHECK(landlock.handled_net == 3);
  REQUIRE(landlock.ports.size() == 1);
  CHECK(landlock.ports[0].port == 443);
  CHECK(landlock.ports[0].rights == 2);
  CHECK(landlock.scopes == 3);
  CHECK(landlock.best_effort);
  CHECK(landlock.wanted());
}

TEST_CASE("what is handled nowhere cannot be given back, and other shapes are refused") {
  const std::string execute = List({Atom("execute")});
  const auto path = [&](const std::string& name, const std::string& rights) {
    return Map(
        {{Atom("handled_fs"), execute}, {Atom("paths"), List({Tuple({Binary(name), rights})})}});
  };
  LandlockLayers layers;
  CHECK(Reads(path("/usr", execute), &layers));
  for (const std::string& wrong :
       {path("/usr", List({Atom("refer")})), path("usr", execute), path("", execute),
        path(std::string("/u\0r", 4), execute), path("/usr", List({Atom("connect_tcp")})),
        Map({{Atom("ports"), List({Tuple({Uint(65536), List({})})})}}),
        Map({{Atom("ports"), List({Tuple({Uint(1), List({Atom("bind_tcp")})})})}}),
        Map({{Atom("scopes"), List({Atom("execute")})}}), Map({{Atom("inherit"), execute}}),
        Map({{Atom("handled_fs"), execute}, {Atom("handled_fs"), execute}}), List({})}) {
    LandlockLayers refused;
    CHECK_FALSE(Reads(wrong, &refused));
  }
}

TEST_CASE("layers are read in their order, up to as many as the kernel takes") {
  const std::string one = Map({{Atom("scopes"), List({Atom("signal")})}});
  const std::string other = Map({{Atom("handled_net"), List({Atom("bind_tcp")})}});
  LandlockLayers layers;
  CHECK(Reads(List({one, other}), &layers));
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].scopes == 2);
  CHECK(layers[1].handled_net == 1);
  const auto many = [&one](size_t count) {
    std::string list = "l" + test::BigEndian(count, 4);
    for (size_t i = 0; i < count; ++i) list += one;
    return list + "j";
  };
  LandlockLayers most, more;
  CHECK(Reads(many(kMaxLandlockLayers), &most));
  CHECK_FALSE(Reads(many(kMaxLandlockLayers + 1), &more));
  LandlockLayers wrong;
  CHECK_FALSE(Reads(List({one, Atom("signal")}), &wrong));
}

TEST_CASE("what an ABI lacks is an error, or is left out where that is asked for") {
  Landlock landlock;
  landlock.handled_fs = Bit(FsRight::execute) | Bit(FsRight::refer) | Bit(FsRight::truncate);
  landlock.paths = {{"/", landlock.handled_fs}};
  landlock.scopes = 1;

  const Status lacking = FitToAbi(1, &landlock);
  REQUIRE_FALSE(lacking.ok());
  CHECK(lacking.error().stage == Stage::landlock);
  CHECK(lacking.error().code == EOPNOTSUPP);
  CHECK(lacking.error().detail == "refer needs landlock ABI 2, this kernel has 1");

  Landlock none;
  none.scopes = 2;
  CHECK(FitToAbi(0, &none).error().detail == "signal needs landlock ABI 6, this kernel has none");

  landlock.handled_fs = Bit(FsRight::execute) | Bit(FsRight::truncate);
  landlock.scopes = 1;
  landlock.best_effort = true;
  CHECK(FitToAbi(2, &landlock).ok());
  CHECK(landlock.handled_fs == Bit(FsRight::execute));
  CHECK(landlock.paths[0].rights == Bit(FsRight::execute));
  CHECK(landlock.scopes == 0);
  CHECK(FitToAbi(0, &landlock).ok());
  CHECK_FALSE(landlock.wanted());
}

TEST_CASE("a failure names its rule") {
  Landlock landlock;
  landlock.paths = {{"/usr", 1}, {"/lib", 1}};
  landlock.ports = {{443, 1}};
  Landlock other;
  other.paths = {{"/etc", 1}};
  const LandlockLayers layers = {landlock, other};
  CHECK(DetailOf(layers, 1) == "/lib");
  CHECK(DetailOf(layers, 2) == "port 443");
  CHECK(DetailOf(layers, 3) == "/etc");
  CHECK(DetailOf(layers, 4).empty());
  CHECK(DetailOf(layers, -1).empty());
}

// In a process of its own: the kernel's answer to these rules, then what `attempt` answers.
template <typename Attempt>
int Restricted(const LandlockLayers& layers, Attempt attempt) {
  Region region;
  REQUIRE(region.Ensure(SizeOf(layers)));
  const ChildLandlock child = Copy(layers, &region);
  test::Process process = test::ForkProcess([&] {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int32_t element;
    const long rc = Restrict(child, &element);
    return rc < 0 ? static_cast<int>(100 + element) : attempt();
  });
  return process.ExitCode();
}

int OpenFails(const char* path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC);
  return fd < 0 ? errno : 0;
}

TEST_CASE("what is handled is denied but below the paths that are named") {
  if (LandlockAbi() == 0) return;
  Landlock landlock;
  landlock.handled_fs = kReading;
  // Rights that a file cannot have are left out of its rule.
  landlock.paths = {{"/proc", kReading}, {"/dev/null", kReading}};
  CHECK(Restricted({landlock}, [] { return OpenFails("/proc/self/status", O_RDONLY); }) == 0);
  CHECK(Restricted({landlock}, [] { return OpenFails("/dev/null", O_RDONLY); }) == 0);
  CHECK(Restricted({landlock}, [] { return OpenFails("/etc/passwd", O_RDONLY); }) == EACCES);
  CHECK(Restricted({landlock}, [] { return OpenFails("/etc", O_RDONLY | O_DIRECTORY); }) == EACCES);

  landlock.paths.push_back({"/no/such", kReading});
  CHECK(Restricted({landlock}, [] { return 0; }) == 102);
}

TEST_CASE("a layer denies of what those before it leave") {
  if (LandlockAbi() == 0) return;
  Landlock wide, narrow;
  wide.handled_fs = narrow.handled_fs = kReading;
  wide.paths = {{"/etc", kReading}, {"/dev/null", kReading}};
  narrow.paths = {{"/etc/passwd", kReading}, {"/proc", kReading}};
  for (const LandlockLayers& layers : {LandlockLayers{wide, narrow}, {narrow, wide}}) {
    CHECK(Restricted(layers, [] { return OpenFails("/etc/passwd", O_RDONLY); }) == 0);
    CHECK(Restricted(layers, [] { return OpenFails("/etc/group", O_RDONLY); }) == EACCES);
    CHECK(Restricted(layers, [] { return OpenFails("/proc/self/status", O_RDONLY); }) == EACCES);
  }
  narrow.paths.push_back({"/no/such", kReading});
  CHECK(Restricted({wide, Landlock(), narrow}, [] { return 0; }) == 104);
}

}  // namespace
}  // namespace linx
