#include "session.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <linux/seccomp.h>

#include <chrono>
#include <string>

#include "test_beam.h"
#include "test_channel.h"
#include "test_listener.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::IsAlive;
using test::Shell;
using test::Spawn;
using test::Tuple;
using test::Uint;
using test::WithAndWithoutInit;

const std::string kProceed = Atom("proceed");
const std::string kAbort = Atom("abort");

std::string CapDrop(uint64_t mask) { return Tuple({Atom("cap_drop_bounding"), Uint(mask)}); }
std::string Filter(const std::string& bpf) { return Tuple({Atom("seccomp_install"), Binary(bpf)}); }

using Init = std::pair<std::string, std::string>;

std::string Aborted(pid_t pid) { return "{:status, :aborted, " + std::to_string(pid) + "}"; }

TEST_CASE("a session says each step of its life once") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Shell("exit 7", {init}));
    const pid_t pid = beam.NextNumber("{:status, :spawned, ");
    CHECK(beam.NextNumber("{:status, :ready, ") == pid);
    CHECK_FALSE(test::HasExeced(pid));
    CHECK(IsAlive(pid));
    beam.Send(kProceed);
    CHECK(beam.Next() == "{:status, :running}");
    CHECK(beam.Next() == "{:status, :exited, 7}");
  });
}

TEST_CASE("a workload that exits at once has run") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/true"}, {init, Flag("auto_proceed")}));
    beam.NextRunning();
    CHECK(beam.Next() == "{:status, :exited, 0}");
  });
}

TEST_CASE("a workload that a signal ends") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Shell("kill -9 $$", {init, Flag("auto_proceed")}));
    beam.NextRunning();
    CHECK(beam.Next() == "{:status, :signaled, 9}");
  });
}

TEST_CASE("an exit code like that of a child which failed is the workload's") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Shell("exit 127", {init, Flag("auto_proceed")}));
    beam.NextRunning();
    CHECK(beam.Next() == "{:status, :exited, 127}");
  });
}

TEST_CASE("a failing step ends the session with its errno and stage") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Spawn({"/no/such/program"}, {Flag("init", init), Flag("auto_proceed")}));
    beam.NextReady();
    CHECK(beam.Next() == "{:error, 2, :execve}");
    CHECK(beam.ExitCode() == kSetupFailed);
  }
}

TEST_CASE("a parked child that the host kills never ran") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/true"}, {init}));
    kill(beam.NextReady(), SIGKILL);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
  });
}

TEST_CASE("a child that its filter kills before the exec never ran") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/true"}, {init}));
    beam.NextReady();
    beam.Send(Filter(test::AlwaysReturn(SECCOMP_RET_KILL_PROCESS)));
    beam.Send(kProceed);
    CHECK(beam.Next() == "{:status, :signaled, 31}");
  });
}

TEST_CASE("abort ends a parked session") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/sleep", "1000"}, {init}));
    const pid_t pid = beam.NextReady();
    beam.Send(kAbort);
    beam.Send(kAbort);
    CHECK(beam.Next() == Aborted(pid));
    CHECK_FALSE(IsAlive(pid));
  });
}

TEST_CASE("abort ends a stopped child at once") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/sleep", "1000"}, {init}));
    const pid_t pid = beam.NextReady();
    kill(pid, SIGSTOP);
    beam.Send(kAbort);
    CHECK(beam.Next() == Aborted(pid));
  });
}

TEST_CASE("abort ends a session whose child has said nothing yet") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Write(test::Framed(Spawn({"/bin/sleep", "1000"}, {init})) + test::Framed(kAbort));
    std::string event = beam.Next();
    while (event.rfind("{:status, :spawned", 0) == 0 || event.rfind("{:status, :ready", 0) == 0) {
      event = beam.Next();
    }
    CHECK(event.rfind("{:status, :aborted, ", 0) == 0);
  });
}

TEST_CASE("abort kills a running workload, which ends as one that was killed") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/sleep", "1000"}, {init, Flag("auto_proceed")}));
    const pid_t pid = beam.NextRunning();
    beam.Send(kAbort);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
    CHECK_FALSE(IsAlive(pid));
  });
}

TEST_CASE("an abort that races proceed says what became of the workload") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/sleep", "1000"}, {init}));
    const pid_t pid = beam.NextReady();
    beam.Write(test::Framed(kProceed) + test::Framed(kAbort));
    std::string last = beam.Next();
    const bool ran = last == "{:status, :running}";
    if (ran) last = beam.Next();
    CHECK(last == (ran ? "{:status, :signaled, 9}" : Aborted(pid)));
  });
}

TEST_CASE("what the workload left is dead before its end is told, where there is an init") {
  Beam beam;
  test::Pipe pids;
  // The children inherit the test's stdout, which is this pipe for a moment.
  const UniqueFd out(fcntl(1, F_DUPFD_CLOEXEC, 3));
  dup2(pids.in.get(), 1);
  beam.Send(Shell("(trap '' TERM; setsid sleep 1000 & echo $!); exit 0",
                  {Flag("init"), Flag("auto_proceed")}));
  beam.NextRunning();
  dup2(out.get(), 1);
  const pid_t stray = std::stoi(pids.ReadLine());
  CHECK(beam.Next() == "{:status, :exited, 0}");
  CHECK_FALSE(IsAlive(stray));
}

TEST_CASE("signals wait for running, in order") {
  Beam beam;
  beam.Send(Spawn({"/bin/sleep", "1000"}));
  beam.NextReady();
  beam.Send(test::Signal(SIGCONT));
  beam.Send(test::Signal(SIGTERM));
  beam.Send(test::Signal(SIGKILL));
  CHECK(beam.nothing_came());
  beam.Send(kProceed);
  CHECK(beam.Next() == "{:status, :running}");
  CHECK(beam.Next() == "{:status, :signaled, 15}");
}

TEST_CASE("only so many signals can wait") {
  Beam beam;
  beam.Send(Spawn({"/bin/sleep", "1000"}));
  beam.NextReady();
  for (int i = 0; i < 1024; ++i) beam.Send(test::Signal(SIGCONT));
  CHECK(beam.nothing_came());
  beam.Send(test::Signal(SIGCONT));
  CHECK(beam.Next() == "{:refused, 105, :signal}");
  beam.Send(kAbort);
  CHECK(beam.Next().rfind("{:status, :aborted", 0) == 0);
}

TEST_CASE("a command that does not fit the state is refused and changes nothing") {
  Beam beam;
  beam.Send(Spawn({"/bin/sleep", "1000"}));
  beam.NextReady();
  beam.Send(Tuple({Atom("pty_in"), Binary("x")}));
  CHECK(beam.Next() == "{:refused, 25, :pty_in}");
  beam.Send(Tuple({Atom("pty_winsize"), Tuple({Uint(1), Uint(1), Uint(0), Uint(0)})}));
  CHECK(beam.Next() == "{:refused, 25, :pty_winsize}");
  beam.Send(test::Signal(65));
  CHECK(beam.Next() == "{:refused, 22, :signal}");
  beam.Send(Atom("nonsense"));
  CHECK(beam.Next() == "{:refused, 22, :malformed_command}");
  beam.Send(CapDrop(uint64_t{1} << 63));
  CHECK(beam.Next() == "{:refused, 22, :cap_drop_bounding}");
  beam.Send(kProceed);
  CHECK(beam.Next() == "{:status, :running}");
  beam.Send(kProceed);
  CHECK(beam.Next() == "{:refused, 16, :proceed}");
  beam.Send(CapDrop(1));
  CHECK(beam.Next() == "{:refused, 16, :cap_drop_bounding}");
  beam.Send(Filter(test::AlwaysReturn(SECCOMP_RET_ALLOW)));
  CHECK(beam.Next() == "{:refused, 16, :seccomp_install}");
  beam.Send(test::Signal(SIGKILL));
  CHECK(beam.Next() == "{:status, :signaled, 9}");
}

TEST_CASE("with auto_proceed there is no checkpoint") {
  Beam beam;
  beam.Write(test::Framed(Spawn({"/bin/true"}, {Flag("auto_proceed")})) + test::Framed(kProceed) +
             test::Framed(CapDrop(0)));
  beam.NextNumber("{:status, :spawned, ");
  CHECK(beam.Next() == "{:refused, 16, :proceed}");
  CHECK(beam.Next() == "{:refused, 16, :cap_drop_bounding}");
  beam.NextNumber("{:status, :ready, ");
  CHECK(beam.Next() == "{:status, :running}");
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

TEST_CASE("orders sent ahead of the child reach it") {
  Beam beam;
  beam.Send(Spawn({"/bin/sleep", "1000"}));
  beam.Send(Filter(test::AlwaysReturn(SECCOMP_RET_ALLOW)));
  beam.Send(kProceed);
  const pid_t pid = beam.NextRunning();
  CHECK(test::StatusLine(pid, "Seccomp") == "2");
}

TEST_CASE("a bad filter ends the session while it is parked") {
  Beam beam;
  beam.Send(Spawn({"/bin/true"}));
  beam.NextReady();
  beam.Send(Filter(std::string(8, '\0')));
  CHECK(beam.Next() == "{:error, 22, :seccomp_install}");
  CHECK(beam.ExitCode() == kSetupFailed);
}

TEST_CASE("namespaces are fresh, or refused at clone") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(
        Spawn({"/bin/sleep", "1000"},
              {{Atom("namespaces"), test::List({Atom("uts"), Atom("ipc")})}, Flag("init", init)}));
    if (!test::HasCapability(CAP_SYS_ADMIN)) {
      CHECK(beam.Next() == "{:error, 1, :clone}");
      CHECK(beam.ExitCode() == kNotCreated);
      continue;
    }
    const pid_t pid = beam.NextReady();
    for (const char* link : {"ns/uts", "ns/ipc"}) {
      CHECK(test::ReadLink(test::ProcPath(pid, link)) !=
            test::ReadLink(test::ProcPath(getpid(), link)));
    }
  }
}

TEST_CASE("in a fresh pid namespace the child's own pid is another") {
  const auto fresh = test::HasCapability(CAP_SYS_ADMIN) ? test::List({Atom("pid")})
                                                        : test::List({Atom("pid"), Atom("user")});
  if (!test::HasCapability(CAP_SYS_ADMIN) && !test::HasUserNamespaces()) return;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Spawn({"/bin/sleep", "1000"}, {{Atom("namespaces"), fresh}, Flag("init", init)}));
    const pid_t pid = beam.NextNumber("{:status, :spawned, ");
    CHECK(beam.NextNumber("{:status, :ready, ") == (init ? 2 : 1));
    CHECK(test::StatusLine(pid, "Name") == "linx_child");
    beam.Send(kProceed);
    CHECK(beam.Next() == "{:status, :running}");
    beam.Send(kAbort);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
  }
}

TEST_CASE("who is to be entered is looked for first") {
  test::Process dead = test::ForkProcess([] { return 0; });
  const auto pid = static_cast<uint64_t>(dead.pid());
  dead.Wait();
  Beam beam;
  beam.Send(test::Enter(Uint(pid), {"/bin/true"}));
  CHECK(beam.Next() == "{:error, 3, :open_target}");
  CHECK(beam.ExitCode() == kNotCreated);
}

TEST_CASE("entering a process that shares all namespaces runs beside it") {
  test::Process target = test::ForkProcess([] { return pause(); });
  for (const bool init : {false, true}) {
    Beam beam;
    beam.launcher().Adopt(target.pid());  // no stray, though a child of this process
    beam.Send(test::Enter(Uint(static_cast<uint64_t>(target.pid())), {"/bin/true"},
                          {Flag("init", init), Flag("auto_proceed")}));
    beam.NextRunning();
    CHECK(beam.Next() == "{:status, :exited, 0}");
    CHECK(beam.ExitCode() == kReported);
    CHECK(IsAlive(target.pid()));
  }
}

// Two fds of one workload: one more than the backlog takes.
std::pair<std::string, std::string> TwoOf(const test::Listener& listener) {
  const std::string connect = Tuple({Atom("connect_unix"), Binary(listener.path)});
  return {Atom("stdio"),
          test::List({Tuple({Atom("stdin"), connect}), Tuple({Atom("stdout"), connect})})};
}

TEST_CASE("a listener that does not accept holds up its own session only") {
  const test::Listener listener(0);
  Beam beam;
  beam.Send(Shell("echo to the socket", {TwoOf(listener), Flag("auto_proceed")}));
  beam.TurnAll();
  CHECK(beam.nothing_came());
  const UniqueFd first = listener.Accept();
  beam.NextRunning();
  CHECK(beam.Next() == "{:status, :exited, 0}");
  const UniqueFd second = listener.Accept();
  char text[32];
  CHECK(std::string(text, static_cast<size_t>(read(second.get(), text, sizeof(text)))) ==
        "to the socket\n");
}

TEST_CASE("a session that still waits for a listener can be aborted") {
  const test::Listener listener(0);
  Beam beam;
  beam.Send(Spawn({"/bin/true"}, {TwoOf(listener)}));
  beam.TurnAll();
  beam.Send(kAbort);
  CHECK(beam.Next() == "{:status, :aborted, 0}");
  CHECK(beam.ExitCode() == kReported);
}

TEST_CASE("a host-side input that cannot be opened ends the session before it has a process") {
  Beam beam;
  beam.Send(Spawn({"/bin/true"},
                  {{Atom("stdio"),
                    test::List({Tuple({Atom("stderr"), Tuple({Atom("connect_unix"),
                                                              Binary("/no/such/socket")})})})}}));
  CHECK(beam.Next() == "{:error, 2, :connect_unix}");
  CHECK(beam.ExitCode() == kSetupFailed);
}

}  // namespace
}  // namespace linx
