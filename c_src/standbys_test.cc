#include "standbys.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "strays.h"
#include "test_beam.h"

namespace linx {
namespace {

// A sanitized program does not share its memory.
#ifndef LINX_SANITIZED

using test::Atom;
using test::Binaries;
using test::Eventually;
using test::InEnvelope;
using test::IsAlive;
using test::StatusLine;
using test::Tuple;
using test::Uint;

// Sessions whose children are parked, with one agent.
struct Envelope : test::Beam {
  Envelope() {
    Send(Tuple({Atom("hello"), Uint(1)}));
    Next();
  }
  pid_t Park(uint64_t id, const std::string& script, test::Pairs pairs = {}) {
    pairs.push_back(test::Flag("usage", false));
    Send(InEnvelope(id, test::Shell(script, pairs)));
    return NextReady(Lead(id));
  }
  void Proceed(uint64_t id) {
    Send(InEnvelope(id, Atom("proceed")));
    CHECK(Next() == Lead(id) + "{:status, :running}}");
  }
  void Abort(uint64_t id, pid_t pid) {
    Send(InEnvelope(id, Atom("abort")));
    CHECK(Next() == Lead(id) + "{:status, :aborted, " + std::to_string(pid) + "}}");
  }
  static std::string Lead(uint64_t id) { return "{" + std::to_string(id) + ", "; }

  // The agent's children that wait: nurseries, and children that stand by.
  std::set<pid_t> Idle() {
    std::set<pid_t> idle;
    for (const std::string& child : test::Children()) {
      const pid_t pid = std::stoi(child);
      if (StatusLine(pid, "Name") == "linx_idle") idle.insert(pid);
    }
    return idle;
  }
  // Once a nursery has made a child, which leads a session of its own.
  pid_t Standby() {
    pid_t standby = 0;
    CHECK(Eventually([&] {
      Turn(1);
      for (const pid_t pid : Idle()) {
        if (getsid(pid) == pid) standby = pid;
      }
      return standby != 0;
    }));
    return standby;
  }
};

TEST_CASE("a parked session gets the child that stands by") {
  Envelope beam;
  const pid_t first = beam.Park(1, "exit 1");
  const pid_t standby = beam.Standby();
  CHECK(standby != first);
  CHECK(StatusLine(standby, "PPid") == std::to_string(getpid()));
  CHECK(beam.Park(2, "exit 2") == standby);
  CHECK(Eventually([&] { return StatusLine(standby, "Name") == "linx_child"; }));
  beam.Proceed(2);
  CHECK(beam.Next() == "{2, {:status, :exited, 2}}");
  const pid_t next = beam.Standby();
  CHECK(beam.Park(3, "exit 3") == next);
  for (const uint64_t id : {3, 1}) {
    beam.Proceed(id);
    CHECK(beam.Next() == beam.Lead(id) + "{:status, :exited, " + std::to_string(id) + "}}");
  }
}

TEST_CASE("a child that stood by has the stdio, environment and directory that were asked for") {
  test::Pipe out;
  const UniqueFd saved(fcntl(1, F_DUPFD_CLOEXEC, 3));
  // What is left as it is is the agent's.
  dup2(out.in.get(), 1);
  Envelope beam;
  beam.Abort(1, beam.Park(1, "exit 0"));
  const pid_t standby = beam.Standby();
  dup2(saved.get(), 1);
  const pid_t pid = beam.Park(
      2, "echo $A; pwd; readlink /proc/self/fd/0; [ -e /proc/$$/fd/3 ] || echo clean",
      {{Atom("stdio"), "l" + test::BigEndian(1, 4) + Tuple({Atom("stdin"), Atom("devnull")}) + "j"},
       {Atom("cwd"), test::Binary("/usr")},
       {Atom("env"), Binaries({"A=later", "PATH=/bin:/usr/bin"})}});
  CHECK(pid == standby);
  beam.Proceed(2);
  for (const char* line : {"later", "/usr", "/dev/null", "clean"}) CHECK(out.ReadLine() == line);
  CHECK(beam.Next() == "{2, {:status, :exited, 0}}");
}

TEST_CASE("a session does without a child that was killed as it stood by") {
  Envelope beam;
  beam.Abort(1, beam.Park(1, "exit 0"));
  const pid_t standby = beam.Standby();
  kill(standby, SIGKILL);
  CHECK(Eventually([&] { return !IsAlive(standby); }));
  const pid_t pid = beam.Park(2, "exit 0");
  CHECK(pid != standby);
  beam.Abort(2, pid);
  CHECK(Eventually([&] { return beam.Turn(1), kill(standby, 0) < 0; }));
  CHECK(beam.Park(3, "exit 0") == beam.Standby());
}
TEST_CASE("nothing stands by where no session takes it") {
  Envelope beam;
  beam.Park(1, "exit 1", {test::Flag("init")});
  beam.Proceed(1);
  CHECK(beam.Next() == "{1, {:status, :exited, 1}}");
  beam.TurnAll();
  // The init that waits for its next session.
  CHECK(test::Children().size() == 1);
}

TEST_CASE("of many sessions only so many nurseries stay") {
  Envelope beam;
  std::map<uint64_t, pid_t> parked;
  // One that finds none has the next one's made.
  for (uint64_t id = 1; id <= 2 * Standbys::kMax + 2; ++id) {
    parked[id] = beam.Park(id, "exit 0");
    if (id % 2 == 1 && id < 2 * Standbys::kMax) beam.Standby();
  }
  CHECK(beam.Idle().size() == Standbys::kMax);
  for (const auto& [id, pid] : parked) beam.Abort(id, pid);
  // Each that is idle has at most one child.
  CHECK(beam.Idle().size() <= 2 * Standbys::kMaxIdle);
  beam.Abort(99, beam.Park(99, "exit 0"));
}

TEST_CASE("a nursery that dies is replaced, and its child goes on") {
  Envelope beam;
  beam.Park(1, "exit 1");
  const pid_t standby = beam.Standby();
  CHECK(beam.Park(2, "exit 2") == standby);
  for (const pid_t pid : beam.Idle()) {
    if (getsid(pid) != pid) kill(pid, SIGKILL);
  }
  // As the agent does when a child of its own dies.
  CHECK(Eventually([&] { return ReapStrays(beam.launcher(), 0), beam.Idle().empty(); }));
  for (const uint64_t id : {2, 1}) {
    beam.Proceed(id);
    CHECK(beam.Next() == beam.Lead(id) + "{:status, :exited, " + std::to_string(id) + "}}");
  }
  beam.Abort(3, beam.Park(3, "exit 0"));
  CHECK(beam.Park(4, "exit 0") == beam.Standby());
}

TEST_CASE("a nursery whose child has kept a filter is not used again") {
  Envelope beam;
  beam.Abort(1, beam.Park(1, "exit 0"));
  const pid_t standby = beam.Standby();
  std::set<pid_t> before = beam.Idle();
  before.erase(standby);
  REQUIRE(before.size() == 1);
  CHECK(beam.Park(2, "exit 0") == standby);
  const std::string allow_all("\x06\0\0\0\0\0\xff\x7f", 8);
  beam.Send(InEnvelope(2, Tuple({Atom("seccomp_install"), test::Binary(allow_all)})));
  beam.Proceed(2);
  CHECK(beam.Next() == "{2, {:status, :exited, 0}}");
  CHECK(beam.Idle().count(*before.begin()) == 0);
}
#endif

}  // namespace
}  // namespace linx
