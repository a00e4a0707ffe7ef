// Sessions whose filter asks about system calls.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::List;
using test::Map;
using test::Shell;
using test::Tuple;
using test::Uint;

// Says by its exit code whether a directory could be entered.
constexpr char kScript[] = "cd /proc || exit 8; test $(pwd -P) = /proc && exit 7; exit 9";

std::string Asking(const char* syscall) {
  return Map({{Atom("default"), Atom("allow")},
              {Atom("rules"), List({Tuple({Atom("notify"), Binary(syscall), List({})})})}});
}

test::Pairs Asked(test::Pairs more = {}) {
  more.emplace_back(Atom("seccomp"), List({Asking("chdir")}));
  more.emplace_back(Atom("stdio"), Atom("devnull"));
  return more;
}

std::string Answer(uint64_t id, const std::string& answer) {
  return Tuple({Atom("syscall_answer"), Uint(id), answer});
}

// The id of a call, which is the next event.
uint64_t NextCall(Beam& beam) {
  const std::string event = beam.Next();
  CAPTURE(event);
  REQUIRE(event.find("{:syscall, ") == 0);
  CHECK(event.find("\"chdir\"") != std::string::npos);
  const std::string key = ":id => ";
  const size_t at = event.find(key);
  REQUIRE(at != std::string::npos);
  return std::stoull(event.substr(at + key.size()));
}

std::string Exited(int code) { return "{:status, :exited, " + std::to_string(code) + "}"; }

TEST_CASE("a call waits for its answer, which carries it out, refuses it or stands for it") {
  const struct {
    std::string answer;
    int code;
  } cases[] = {
      {Atom("continue"), 7},
      {Tuple({Atom("errno"), Uint(EACCES)}), 8},
      {Tuple({Atom("return"), Uint(0)}), 9},
  };
  for (const bool init : {false, true}) {
    for (const auto& one : cases) {
      CAPTURE(one.code);
      Beam beam;
      beam.Send(Shell(kScript, Asked({Flag("auto_proceed"), Flag("init", init)})));
      beam.NextRunning();
      const uint64_t id = NextCall(beam);
      CHECK(beam.StandsStill());
      CHECK(beam.nothing_came());
      beam.Send(Answer(id + 1, one.answer));
      CHECK(beam.Next() == "{:refused, 2, :syscall_answer}");
      beam.Send(Answer(id, one.answer));
      CHECK(beam.Next() == Exited(one.code));
    }
  }
}

TEST_CASE("a call that nobody answers fails in time, and cannot be answered any more") {
  Beam beam;
  const test::Pairs pairs = {Flag("auto_proceed"),
                             {Atom("syscall_timeout"), Tuple({Uint(1), Uint(EACCES)})}};
  beam.Send(Shell("cd /proc; kill -STOP $$; exit 7", Asked(pairs)));
  const pid_t pid = beam.NextRunning();
  const uint64_t id = NextCall(beam);
  // Its shell goes on.
  CHECK(test::Eventually([&] {
    beam.Turn(10);
    ProcStat stat;
    return ReadProcStat(test::OpenProc().get(), pid, &stat) && stat.state == 'T';
  }));
  beam.Send(Answer(id, Atom("continue")));
  CHECK(beam.Next() == "{:refused, 2, :syscall_answer}");
  beam.Send(test::Signal(SIGCONT));
  CHECK(beam.Next() == Exited(7));
}

TEST_CASE("nobody who waits holds up the end of the session, or of the agent") {
  for (const bool closes : {false, true}) {
    Beam beam;
    beam.Send(Shell(kScript, Asked({Flag("auto_proceed"), test::KillAfter(0)})));
    beam.NextRunning();
    NextCall(beam);
    if (closes) {
      beam.CloseInput();
    } else {
      beam.Send(test::Signal(SIGKILL));
    }
    CHECK(beam.Next().find("{:status, :signaled, ") == 0);
  }
}

TEST_CASE("there is one such filter") {
  Beam beam;
  beam.Send(Shell("exit 3", Asked()));
  beam.NextReady();
  beam.Send(Tuple({Atom("seccomp_rules"), Asking("chroot")}));
  CHECK(beam.Next() == "{:refused, 16, :seccomp_rules}");
  beam.Send(Atom("proceed"));
  CHECK(beam.Next() == "{:status, :running}");
  CHECK(beam.Next() == Exited(3));
}

TEST_CASE("what the child itself calls is not asked about") {
  Beam beam;
  const test::Pairs pairs = {Flag("auto_proceed"), {Atom("cwd"), Binary("/tmp")}};
  beam.Send(Shell("exit 4", Asked(pairs)));
  beam.NextRunning();
  CHECK(beam.Next() == Exited(4));
}

}  // namespace
}  // namespace linx
