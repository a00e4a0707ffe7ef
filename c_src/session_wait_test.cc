// Sessions without a program.
#include <doctest/doctest.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <string>

#include "test_beam.h"
#include "test_channel.h"
#include "waiting.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::ProcPath;
using test::StatusLine;
using test::Tuple;
using test::Uint;
using test::WithAndWithoutInit;

std::string Waiting(const char* kind, const std::string& title, test::Pairs pairs = {}) {
  pairs.emplace_back(Atom("wait"), Binary(title));
  std::string map = "t" + test::BigEndian(pairs.size(), 4);
  for (const auto& [key, value] : pairs) map += key + value;
  return Tuple({Atom(kind), map});
}

size_t CountFdsOf(pid_t pid) {
  size_t count = 0;
  DIR* directory = opendir(ProcPath(pid, "fd").c_str());
  if (directory == nullptr) return 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count - 2;
}

TEST_CASE("a process without a program waits under its title and can do nothing else") {
  WithAndWithoutInit([](Beam& beam, const auto& init) {
    const std::string title(kMaxTitle, 't');
    beam.Send(Waiting("spawn", title, {init, Flag("auto_proceed")}));
    const pid_t pid = beam.NextRunning();
    CHECK(test::ReadFile(ProcPath(pid, "cmdline")) == title + '\0');
    CHECK(StatusLine(pid, "Name") == title.substr(0, 15));
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      CAPTURE(set);
      CHECK(test::StatusMask(pid, set) == 0);
    }
    if (geteuid() == 0) CHECK(test::StatusMask(pid, "CapBnd") == 0);
    CHECK(StatusLine(pid, "NoNewPrivs") == "1");
    CHECK(StatusLine(pid, "Seccomp") == "2");
    CHECK(test::StatusMask(pid, "SigIgn") == 0);
    CHECK(test::StatusMask(pid, "SigCgt") == 0);
    // It has begun to wait within a moment of saying that it will.
    CHECK(test::Eventually([&] { return test::StatusMask(pid, "SigBlk") == 0; }));
    // What its owner may not read it is root's to read, and there is nothing.
    CHECK(test::ReadFile(ProcPath(pid, "environ")).empty());
    CHECK(CountFdsOf(pid) == 0);
    CHECK(test::ReadLink(ProcPath(pid, "cwd")) == (geteuid() == 0 ? "/" : ""));

    REQUIRE(kill(pid, SIGHUP) == 0);
    CHECK(beam.Next() == "{:status, :signaled, 1}");
  });
}

TEST_CASE("a signal that comes before the wait ends it there") {
  WithAndWithoutInit([](Beam& beam, const auto& init) {
    beam.Send(Waiting("spawn", "early", {init}));
    const pid_t pid = beam.NextReady();
    REQUIRE(kill(pid, SIGUSR1) == 0);
    beam.TurnAll();
    CHECK(beam.nothing_came());
    beam.Send(Atom("proceed"));
    CHECK(beam.Next() == "{:status, :running}");
    CHECK(beam.Next() == "{:status, :signaled, 10}");
  });
}

TEST_CASE("one that is killed before its wait never ran") {
  WithAndWithoutInit([](Beam& beam, const auto& init) {
    beam.Send(Waiting("spawn", "early", {init}));
    REQUIRE(kill(beam.NextReady(), SIGKILL) == 0);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
  });
}

TEST_CASE("who waits goes on waiting after a stop") {
  Beam beam;
  beam.Send(Waiting("spawn", "stopped", {Flag("auto_proceed")}));
  const pid_t pid = beam.NextRunning();
  REQUIRE(kill(pid, SIGSTOP) == 0);
  CHECK(test::Eventually([&] { return StatusLine(pid, "State").substr(0, 1) == "T"; }));
  REQUIRE(kill(pid, SIGCONT) == 0);
  CHECK(test::Eventually([&] { return StatusLine(pid, "State").substr(0, 1) == "S"; }));
  beam.Send(test::Signal(SIGTERM));
  CHECK(beam.Next() == "{:status, :signaled, 15}");
}

TEST_CASE("who waits in the namespaces of another ends with it") {
  WithAndWithoutInit([](Beam& beam, const auto& init) {
    test::Process target = test::ForkProcess([] {
      for (;;) pause();
      return 0;
    });
    const std::pair pid = {Atom("target"), Uint(static_cast<uint64_t>(target.pid()))};
    beam.Send(Waiting("enter", "with", {init, pid, Flag("auto_proceed")}));
    const pid_t waiting = beam.NextRunning();
    CHECK(test::IsAlive(waiting));
    target = test::Process();
    CHECK(beam.Next() == "{:status, :signaled, 9}");
    CHECK_FALSE(test::IsAlive(waiting));
  });
}

// What the agent is denied, and how the session ends.
void CheckFails(const std::string& program, const std::string& end) {
  test::Process process = test::ForkProcess([&]() -> int {
    Beam beam;
    struct sock_fprog filter = {};
    filter.len = static_cast<unsigned short>(program.size() / 8);
    filter.filter = reinterpret_cast<struct sock_filter*>(const_cast<char*>(program.data()));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
    beam.Send(Waiting("spawn", "denied"));
    beam.NextReady();
    beam.Send(Atom("proceed"));
    const std::string event = beam.Next();
    if (event != end) std::fprintf(stderr, "%s\n", event.c_str());
    _exit(event == end ? 0 : 1);
  });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("what cannot be confined so does not wait") {
  const uint32_t fails = SECCOMP_RET_ERRNO | EDOM;
  CheckFails(test::ReturnOn(SYS_capset, fails), "{:error, 33, :wait}");
#ifndef LINX_SANITIZED
  CheckFails(test::ReturnOn(SYS_munmap, fails), "{:error, 33, :wait}");
#endif
  CheckFails(test::ReturnOn(SYS_seccomp, fails), "{:error, 33, :wait}");
  // Who has it ended for him was not waiting, by whatever signal.
  CheckFails(test::ReturnOn(SYS_capset, SECCOMP_RET_KILL_PROCESS), "{:status, :signaled, 31}");
}

}  // namespace
}  // namespace linx
