// A session that cannot be confined as its request says ends before its program runs, whichever of
// the kernel's calls fails (a seccomp filter on the agent sees to that).
#include <doctest/doctest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <string>

#include "landlock.h"
#include "seccomp_rules.h"
#include "test_beam.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::InEnvelope;
using test::List;
using test::Map;
using test::Spawn;
using test::Tuple;
using test::Uint;

constexpr int kCode = EDOM;  // no step fails with it by itself

void Install(const std::string& program) {
  struct sock_fprog filter = {};
  filter.len = static_cast<unsigned short>(program.size() / kFilterInstructionBytes);
  filter.filter = reinterpret_cast<struct sock_filter*>(const_cast<char*>(program.data()));
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0);
}

std::string FailingCall(long call) {
  return test::ReturnOn(call, SECCOMP_RET_ERRNO | static_cast<uint32_t>(kCode));
}

std::string FailingPrctl(int option) {
  const SeccompRule rule = {
      SCMP_ACT_ERRNO(kCode), "prctl", {{0, SCMP_CMP_EQ, static_cast<uint64_t>(option), 0}}};
  return CompileSeccomp({SCMP_ACT_ALLOW, {rule}}).value();
}

std::pair<std::string, std::string> Capabilities(const char* set, uint64_t mask) {
  return {Atom("capabilities"), Map({{Atom(set), Uint(mask)}})};
}

std::pair<std::string, std::string> Readable(const char* path) {
  const std::string rights = List({Atom("read_file")});
  return {Atom("landlock"), Map({{Atom("handled_fs"), rights},
                                 {Atom("paths"), List({Tuple({Binary(path), rights})})}})};
}

std::pair<std::string, std::string> AllowAll() {
  return {Atom("seccomp"), List({Binary(test::AlwaysReturn(SECCOMP_RET_ALLOW))})};
}

// The events of one session, up to its last.
std::string Story(Beam& beam) {
  std::string story, event;
  do {
    event = beam.Next();
    story += event + "\n";
  } while (event.find(":status, :spawned") != std::string::npos ||
           event.find(":status, :ready") != std::string::npos ||
           event.find(":status, :running") != std::string::npos ||
           event.find(":usage") != std::string::npos);
  return story;
}

int EndsBeforeExec(const std::string& program, const test::Pairs& pairs, const std::string& end) {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  Install(program);
  beam.Send(InEnvelope(1, Spawn({"/bin/true"}, pairs)));
  const std::string story = Story(beam);
  const bool good =
      story.find(":running") == std::string::npos && story.find(end) != std::string::npos;
  if (!good) MESSAGE(story);
  beam.CloseInput();
  _exit(beam.ExitCode() == kReported && good ? 0 : 1);
}

// What fails, what is asked for, and how the session's last event begins after its code.
struct Case {
  std::string program;
  test::Pairs pairs;
  std::string end;
  int code = kCode;
};

void CheckEnds(const Case& one) {
  for (const bool init : {false, true}) {
    CAPTURE(one.end);
    CAPTURE(init);
    test::Pairs pairs = one.pairs;
    pairs.push_back(Flag("auto_proceed"));
    if (init) pairs.push_back(Flag("init"));
    const std::string end = "{1, {:error, " + std::to_string(one.code) + ", :" + one.end;
    test::Process process =
        test::ForkProcess([&] { return EndsBeforeExec(one.program, pairs, end); });
    CHECK(process.ExitCode() == 0);
  }
}

TEST_CASE("no program runs where no_new_privs is not to be had") {
  const std::string program = FailingPrctl(PR_SET_NO_NEW_PRIVS);
  CheckEnds({program, {Flag("no_new_privs")}, "no_new_privs"});
  if (LandlockAbi() > 0) CheckEnds({program, {Readable("/usr")}, "no_new_privs"});
  // Who may install a filter without it fails later, as that is turned on all the same.
  if (test::HasCapability(CAP_SYS_ADMIN))
    CheckEnds({program, {AllowAll()}, "seccomp_no_new_privs"});
}

TEST_CASE("no program runs where landlock does not take its rules") {
  if (LandlockAbi() == 0) return;
  CheckEnds({FailingCall(SYS_landlock_add_rule), {Readable("/usr")}, "landlock, \"/usr\""});
  CheckEnds({FailingCall(SYS_landlock_restrict_self), {Readable("/usr")}, "landlock}"});
  // The first thing asked of it is its ABI.
  CheckEnds({FailingCall(SYS_landlock_create_ruleset),
             {Readable("/usr")},
             "landlock, \"read_file needs landlock ABI 1, this kernel has none\"",
             EOPNOTSUPP});
}

TEST_CASE("no program runs where a filter is not taken") {
  CheckEnds({FailingCall(SYS_seccomp), {AllowAll()}, "seccomp_install, \"filter 1\""});
}

TEST_CASE("no program runs where capabilities stay that were to go") {
  if (!test::HasUserNamespaces()) return;
  const std::pair user = {Atom("namespaces"), List({Atom("user")})};
  const std::pair securebits = {Atom("securebits"), List({Atom("noroot")})};
  CheckEnds({FailingPrctl(PR_CAPBSET_DROP),
             {user, Capabilities("bounding", 0)},
             "cap_drop_bounding, \"cap_chown\""});
  CheckEnds({FailingPrctl(PR_CAP_AMBIENT), {user, Capabilities("ambient", 0)}, "cap_set_ambient"});
  CheckEnds({FailingCall(SYS_capset), {user, Capabilities("permitted", 0)}, "cap_set_thread"});
  CheckEnds({FailingPrctl(PR_SET_SECUREBITS), {user, securebits}, "securebits"});
}

}  // namespace
}  // namespace linx
