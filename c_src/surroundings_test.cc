#include "surroundings.h"

#include <doctest/doctest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "test_process.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::ForkProcess;
using test::Int;
using test::Tuple;
using test::Uint;

using Read = bool (*)(TermReader&, Surroundings*);

bool Takes(Read read, const std::string& term, Surroundings* out) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  return reader.valid() && read(reader, out) && reader.AtEnd();
}

bool Takes(Read read, const std::string& term) {
  Surroundings surroundings;
  return Takes(read, term, &surroundings);
}

// The child's copy, which must fit where it was said to.
struct Copied {
  explicit Copied(const Surroundings& surroundings) {
    const size_t size = SizeOf(surroundings);
    REQUIRE(region.Ensure(size + 1));
    child = Copy(surroundings, &region);
    CHECK(region.used() <= size);
  }
  Region region;
  ChildSurroundings child;
};

// In namespaces of its own, as a child is.
template <typename Body>
int Apart(unsigned long namespaces, Body body) {
  return ForkProcess([&] {
           if (unshare(static_cast<int>(CLONE_NEWUSER | namespaces)) != 0) return 99;
           return body() ? 0 : 1;
         })
      .ExitCode();
}

TEST_CASE("names have 1 to 64 bytes") {
  Surroundings surroundings;
  REQUIRE(Takes(ReadHostname, Binary("box"), &surroundings));
  REQUIRE(Takes(ReadDomainname, Binary("example"), &surroundings));
  CHECK(surroundings.hostname == "box");
  CHECK(surroundings.domainname == "example");
  CHECK(Takes(ReadHostname, Binary(std::string(64, 'x'))));
  for (const std::string& term : {Binary(""), Binary(std::string(65, 'x')), Atom("box"),
                                  Binary(std::string("a\0b", 3)), Uint(1)}) {
    CHECK_FALSE(Takes(ReadHostname, term));
    CHECK_FALSE(Takes(ReadDomainname, term));
  }
}

TEST_CASE("offsets are two numbers, a score is one") {
  Surroundings surroundings;
  CHECK_FALSE(surroundings.needs_own_memory());
  REQUIRE(Takes(ReadTimeOffsets, Tuple({Int(-1), Uint(86'400'000'000'000)}), &surroundings));
  CHECK(surroundings.time_offsets->monotonic == -1);
  CHECK(surroundings.time_offsets->boottime == 86'400'000'000'000);
  CHECK(surroundings.needs_own_memory());
  for (const std::string& term : {Uint(1), Tuple({Uint(1)}), Tuple({Uint(1), Atom("true")}),
                                  Tuple({Uint(UINT64_MAX), Uint(0)})}) {
    CHECK_FALSE(Takes(ReadTimeOffsets, term));
  }
  REQUIRE(Takes(ReadOomScoreAdj, Int(-1000), &surroundings));
  CHECK(surroundings.oom_score_adj == -1000);
  for (const std::string& term : {Int(-1001), Int(1001), Atom("true")}) {
    CHECK_FALSE(Takes(ReadOomScoreAdj, term));
  }
}

TEST_CASE("offsets are seconds, and nanoseconds that are never negative") {
  Surroundings surroundings;
  surroundings.time_offsets = TimeOffsets{-1, 1'500'000'000};
  surroundings.oom_score_adj = -7;
  const Copied copied(surroundings);
  CHECK(std::string(copied.child.time_offsets) == "monotonic -1 999999999\nboottime 1 500000000\n");
  CHECK(std::string(copied.child.oom_score_adj) == "-7");
  surroundings.time_offsets = TimeOffsets{-2'000'000'000, 0};
  CHECK(DetailOf(surroundings, Stage::time_offsets) == "monotonic -2 0\nboottime 0 0\n");
}

TEST_CASE("what was not asked for is not touched") {
  const ChildSurroundings none;
  for (const auto step :
       {SetTimeOffsets, SetHostname, SetDomainname, RaiseLoopback, SetOomScoreAdj}) {
    CHECK(step(none) == 0);
  }
}

TEST_CASE("names are those of the namespace") {
  Surroundings surroundings;
  surroundings.hostname = "box";
  surroundings.domainname = "example";
  const Copied copied(surroundings);
  CHECK(Apart(CLONE_NEWUTS, [&] {
          struct utsname names;
          return SetHostname(copied.child) == 0 && SetDomainname(copied.child) == 0 &&
                 uname(&names) == 0 && std::strcmp(names.nodename, "box") == 0 &&
                 std::strcmp(names.domainname, "example") == 0;
        }) == 0);
}

TEST_CASE("the loopback interface of the namespace is up") {
  ChildSurroundings child;
  child.loopback = true;
  CHECK(Apart(CLONE_NEWNET, [&] {
          const auto is_up = [] {
            const UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
            struct ifreq lo = {};
            std::strcpy(lo.ifr_name, "lo");
            return ioctl(fd.get(), SIOCGIFFLAGS, &lo) == 0 && (lo.ifr_flags & IFF_UP) != 0;
          };
          return !is_up() && RaiseLoopback(child) == 0 && is_up();
        }) == 0);
}

TEST_CASE("a score is set, and the process is not dumpable for it any longer than that") {
  Surroundings surroundings;
  surroundings.oom_score_adj = 1000;
  Copied copied(surroundings);
  copied.child.become_dumpable = true;
  CHECK(ForkProcess([&] {
          prctl(PR_SET_DUMPABLE, 0);
          const long rc = SetOomScoreAdj(copied.child);
          const bool set = test::ReadFile("/proc/self/oom_score_adj") == "1000\n";
          return rc == 0 && set && prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1;
        }).ExitCode() == 0);
}

// Sets a score where something has been mounted at `where`; the negative errno as an exit code.
int ScoreBehind(const char* from, const char* where, const char* type, unsigned long flags) {
  Surroundings surroundings;
  surroundings.oom_score_adj = 1000;
  const Copied copied(surroundings);
  return ForkProcess([&] {
           if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 99;
           if (mount(from, where, type, flags, nullptr) != 0) return 98;
           return static_cast<int>(-SetOomScoreAdj(copied.child));
         })
      .ExitCode();
}

TEST_CASE("what is laid over the files of /proc is not written to") {
  CHECK(ScoreBehind("none", "/proc", "tmpfs", 0) == ENODEV);
  CHECK(ScoreBehind("/proc/sys", "/proc", nullptr, MS_BIND | MS_REC) == ENODEV);
  const std::string own = "/proc/" + std::to_string(getpid());
  CHECK(ScoreBehind(own.c_str(), "/proc", nullptr, MS_BIND) == ENODEV);
  CHECK(ScoreBehind("/proc/self/comm", "/proc/self/oom_score_adj", nullptr, MS_BIND) == EXDEV);
}

}  // namespace
}  // namespace linx
