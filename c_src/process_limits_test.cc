#include "process_limits.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "test_process.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Int;
using test::List;
using test::Tuple;
using test::Uint;

constexpr uint64_t kLargest = UINT64_MAX - 1;

using Read = bool (*)(TermReader&, Limits*);

bool Takes(Read read, const std::string& term, Limits* limits) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  return reader.valid() && read(reader, limits) && reader.AtEnd();
}

bool Takes(Read read, const std::string& term) {
  Limits limits;
  return Takes(read, term, &limits);
}

std::string Limit(const char* name, const std::string& soft, const std::string& hard) {
  return Tuple({Atom(name), soft, hard});
}

TEST_CASE("rlimits have a name, a soft and a hard limit") {
  Limits limits;
  REQUIRE(
      Takes(ReadRlimits,
            List({Limit("nofile", Uint(256), Uint(512)), Limit("core", Uint(0), Atom("infinity")),
                  Limit("as", Uint(kLargest), Uint(kLargest))}),
            &limits));
  REQUIRE(limits.rlimits.size() == 3);
  CHECK(limits.rlimits[0].name == RlimitName::nofile);
  CHECK(limits.rlimits[0].soft == 256);
  CHECK(limits.rlimits[0].hard == 512);
  CHECK(limits.rlimits[1].hard == RLIM64_INFINITY);
  CHECK(limits.rlimits[2].soft == kLargest);
  CHECK(Takes(ReadRlimits, List({})));
}

TEST_CASE("what is no list of rlimits is not taken") {
  const std::string one = Limit("nofile", Uint(1), Uint(1));
  for (const std::string& term :
       {Atom("infinity"), one, List({Atom("nofile")}), List({one, one}),
        List({Tuple({Atom("nofile"), Uint(1)})}), List({Limit("nofile", Uint(2), Uint(1))}),
        List({Limit("nofile", Atom("infinity"), Uint(1))}),
        List({Limit("nofile", Int(-1), Uint(1))}), List({Limit("files", Uint(1), Uint(1))}),
        List({Limit("nofile", Uint(1), Uint(UINT64_MAX))}),
        List({Limit("nofile", Uint(1), Atom("unlimited"))})}) {
    CHECK_FALSE(Takes(ReadRlimits, term));
  }
}

TEST_CASE("nice, umask and CPUs have their ranges") {
  Limits limits;
  CHECK(Takes(ReadNice, Int(-20), &limits));
  CHECK(limits.nice == -20);
  CHECK(Takes(ReadNice, Int(19)));
  CHECK_FALSE(Takes(ReadNice, Int(-21)));
  CHECK_FALSE(Takes(ReadNice, Int(20)));
  CHECK(Takes(ReadUmask, Uint(0777), &limits));
  CHECK(limits.umask == 0777u);
  CHECK_FALSE(Takes(ReadUmask, Uint(01000)));
  CHECK_FALSE(Takes(ReadUmask, Int(-1)));
  CHECK(Takes(ReadCpus, List({Uint(0), Uint(65), Uint(8191)}), &limits));
  CHECK(limits.cpus.size() == 128);
  CHECK(limits.cpus[0] == 1);
  CHECK(limits.cpus[1] == 2);
  CHECK_FALSE(Takes(ReadCpus, List({})));
  CHECK_FALSE(Takes(ReadCpus, List({Uint(8192)})));
  CHECK_FALSE(Takes(ReadCpus, Uint(0)));
}

TEST_CASE("what was asked for holds in the process that asks") {
  const Rlimit rlimits[] = {{RlimitName::nofile, 64, 65}, {RlimitName::core, 0, 0}};
  const uint64_t cpus[] = {1};
  ChildLimits limits;
  limits.rlimits = rlimits;
  limits.rlimit_count = 2;
  limits.cpus = cpus;
  limits.cpu_words = 1;
  limits.nice = 19;
  limits.umask = 027;
  limits.set_nice = limits.set_umask = true;
  test::Process process = test::ForkProcess([&] {
    RlimitName failed;
    if (SetRlimits(limits, &failed) != 0 || SetNice(limits) != 0) return 1;
    if (SetCpus(limits) != 0 || SetUmask(limits) != 0) return 2;
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur != 64 || now.rlim_max != 65) return 3;
    if (getrlimit(RLIMIT_CORE, &now) < 0 || now.rlim_max != 0) return 4;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1) return 5;
    if (getpriority(PRIO_PROCESS, 0) != 19) return 6;
    return umask(0) == 027 ? 0 : 7;
  });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("what was not asked for stays as it is") {
  RlimitName failed;
  const ChildLimits none;
  CHECK(SetRlimits(none, &failed) == 0);
  CHECK(SetNice(none) == 0);
  CHECK(SetCpus(none) == 0);
  const mode_t before = umask(022);
  CHECK(SetUmask(none) == 0);
  CHECK(umask(before) == 022);
}

TEST_CASE("the rlimit that the kernel refuses is named") {
  test::Process process = test::ForkProcess([] {
    const Rlimit rlimits[] = {
        {RlimitName::core, 0, 0}, {RlimitName::fsize, 5, 5}, {RlimitName::nofile, 1, UINT64_MAX}};
    ChildLimits limits;
    limits.rlimits = rlimits;
    limits.rlimit_count = 3;
    RlimitName failed = RlimitName::core;
    if (SetRlimits(limits, &failed) != -EPERM) return 1;
    return failed == RlimitName::nofile ? 0 : 2;
  });
  // Past /proc/sys/fs/nr_open nobody may go.
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("CPUs that are not there are refused") {
  test::Process process = test::ForkProcess([] {
    uint64_t cpus[128] = {};
    cpus[127] = uint64_t{1} << 63;
    ChildLimits limits;
    limits.cpus = cpus;
    limits.cpu_words = 128;
    return SetCpus(limits) == -EINVAL ? 0 : 1;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
