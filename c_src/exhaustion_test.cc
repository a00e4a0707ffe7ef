// What becomes of sessions where the kernel is out of something: one system call fails, by a
// seccomp filter, from some moment in the agent's life on.
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <string>

#include "test_beam.h"
#include "test_channel.h"
#include "test_id_maps.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::InEnvelope;
using test::List;
using test::Spawn;
using test::Tuple;
using test::Uint;

// How a child that may share the agent's memory is made (see launch.cc).
#ifdef LINX_SANITIZED
constexpr long kSharingClone = SYS_clone3;
#else
constexpr long kSharingClone = SYS_clone;
#endif

void FailFromNowOn(long call, int code) {
  const std::string program =
      test::ReturnOn(call, SECCOMP_RET_ERRNO | (static_cast<uint32_t>(code) & SECCOMP_RET_DATA));
  struct sock_fprog filter = {};
  filter.len = static_cast<unsigned short>(program.size() / 8);
  filter.filter = reinterpret_cast<struct sock_filter*>(const_cast<char*>(program.data()));
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0);
}

// The next event of a session that begins so; whatever comes before it is skipped.
std::string NextOf(Beam& beam, const std::string& begin) {
  std::string event;
  do {
    event = beam.Next();
  } while (event.rfind(begin, 0) != 0 && event != "the end");
  return event;
}

// A session fails while another one runs, which goes on and ends in order; so does the agent.
int SessionFails(long call, int code, const test::Pairs& pairs, const std::string& stage) {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  beam.Send(InEnvelope(1, Spawn({"/bin/sleep", "1000"}, {Flag("auto_proceed")})));
  if (NextOf(beam, "{1, {:status, :running}}") == "the end") return 1;

  FailFromNowOn(call, code);
  beam.Send(InEnvelope(2, Spawn({"/bin/true"}, pairs)));
  const std::string error = NextOf(beam, "{2, {:error, ");
  const std::string wanted = "{2, {:error, " + std::to_string(code) + ", :" + stage;
  if (error.rfind(wanted, 0) != 0) {
    MESSAGE(error);
    return 2;
  }
  beam.Send(InEnvelope(1, Atom("abort")));
  if (NextOf(beam, "{1, {:status, :signaled, 9}}") == "the end") return 3;
  beam.CloseInput();
  // Not through the scope's end, whose own look at what is left may be what fails.
  _exit(beam.ExitCode() == kReported ? 0 : 4);
}

std::pair<std::string, std::string> Stdio(const char* word) { return {Atom("stdio"), Atom(word)}; }

TEST_CASE("a session that cannot have what it needs fails with its stage, and others go on") {
  const auto now = Flag("auto_proceed");
  const auto init = Flag("init");
  const struct {
    const char* stage;
    long call;
    int code;
    test::Pairs pairs;
  } cases[] = {
      {"socketpair", SYS_socketpair, ENFILE, {}},
      {"clone", kSharingClone, EAGAIN, {now}},
      {"clone", SYS_clone3, ENOMEM, {}},
      {"clone", SYS_clone3, EAGAIN, {init}},
      {"pipe2", SYS_pipe2, ENFILE, {Stdio("pipe")}},
      {"dev_null", SYS_openat, ENFILE, {Stdio("devnull")}},
      {"posix_openpt", SYS_openat, ENOSPC, {Stdio("pty")}},
      {"signalfd", SYS_signalfd4, ENOMEM, {init}},
      {"setsid", SYS_setsid, ENOMEM, {}},
      {"stdio", SYS_dup3, ENOMEM, {now, Stdio("pipe")}},
      {"execve", SYS_execve, ENOMEM, {now}},
      {"execve", SYS_execve, ENOMEM, {now, init}},
  };
  for (const auto& one : cases) {
    const std::string stage = one.stage;
    CAPTURE(stage);
    CAPTURE(one.pairs.size());
    test::Process process =
        test::ForkProcess([&] { return SessionFails(one.call, one.code, one.pairs, stage); });
    CHECK(process.ExitCode() == 0);
  }
}

// In these fresh namespaces, and in one of a user's own, where an ordinary user may make them.
test::Pairs Fresh(const std::string& ns, const char* key, const std::string& value) {
  return {{Atom("namespaces"), List({Atom("user"), ns})}, {Atom(key), value}};
}

std::string Map(uint32_t outside) { return List({Tuple({Uint(0), Uint(outside), Uint(1)})}); }

TEST_CASE("so does one whose namespaces cannot be furnished") {
  const std::string uts = Atom("uts"), time = Atom("time"), user = Atom("user");
  const struct {
    const char* stage;
    long call;
    int code;
    test::Pairs pairs;
  } cases[] = {
      {"uid_map", SYS_openat, ENFILE, Fresh(user, "uid_map", Map(geteuid()))},
      {"hostname", SYS_sethostname, ENOMEM, Fresh(uts, "hostname", test::Binary("box"))},
      {"domainname", SYS_setdomainname, ENOMEM, Fresh(uts, "domainname", test::Binary("box"))},
      {"loopback", SYS_socket, ENFILE, Fresh(Atom("net"), "loopback", Atom("true"))},
      {"time_offsets", SYS_openat2, ENFILE, Fresh(time, "time_offsets", Tuple({Uint(1), Uint(1)}))},
      {"oom_score_adj", SYS_fstatfs, ENOMEM, Fresh(user, "oom_score_adj", Uint(1000))},
  };
  for (const auto& one : cases) {
    const std::string stage = one.stage;
    CAPTURE(stage);
    test::Pairs pairs = one.pairs;
    pairs.push_back(Flag("auto_proceed"));
    test::Process process =
        test::ForkProcess([&] { return SessionFails(one.call, one.code, pairs, stage); });
    CHECK(process.ExitCode() == 0);
  }
}

TEST_CASE("so does one whose ids are a program's to map, which cannot be started") {
  for (const long call : {SYS_pipe2, SYS_execve}) {
    CAPTURE(call);
    test::Process process = test::ForkProcess([&] {
      const test::WithoutCapabilities without;
      const char* const stage = call == SYS_pipe2 ? "pipe2" : "uid_map";
      return SessionFails(call, ENFILE, Fresh(Atom("user"), "uid_map", Map(100000)), stage);
    });
    CHECK(process.ExitCode() == 0);
  }
}

}  // namespace
}  // namespace linx
