#include <doctest/doctest.h>

#include <string>

#include "session.h"
#include "test_beam.h"
#include "test_streams.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::IsAlive;
using test::Shell;

// A shell that leaves `daemon` in the background, in a session of its own, and exits. There stdin
// would be the null device.
std::string Daemon(const std::string& daemon, test::Pairs pairs = {}) {
  pairs.push_back(Flag("init"));
  pairs.push_back(Flag("forking"));
  pairs.push_back(Flag("auto_proceed"));
  pairs.emplace_back(Atom("stdio"), Atom("pipe"));
  return Shell("exec 3<&0; setsid sh -c '" + daemon + "' <&3 3<&- & exit 0", pairs);
}

void AwaitForked(Beam& beam) {
  beam.NextRunning();
  CHECK(beam.Next() == "{:status, :forked}");
}

// The daemon's own pid, which it says first.
pid_t NextPid(Beam& beam) { return beam.NextNumber("{:stdout, \""); }

TEST_CASE("forking: the session ends as the last process that the first one left") {
  Beam beam;
  beam.Send(Daemon("read line; exit 5"));
  AwaitForked(beam);
  beam.Send(test::StdinEof());
  const test::Said said = test::NextUntilEnd(beam);
  CHECK(said.rest == "{:status, :exited, 5}");
}

TEST_CASE("forking: output goes on after the first process") {
  Beam beam;
  beam.Send(Daemon("read line; echo later"));
  AwaitForked(beam);
  beam.Send(test::Stdin("\n"));
  CHECK(test::NextUntilEnd(beam).out == "later\n");
}

TEST_CASE("forking: a first process that leaves nobody ends the session") {
  for (const int code : {0, 3}) {
    Beam beam;
    beam.Send(Shell("exit " + std::to_string(code),
                    {Flag("init"), Flag("forking"), Flag("auto_proceed")}));
    beam.NextRunning();
    CHECK(beam.Next() == "{:status, :exited, " + std::to_string(code) + "}");
  }
}

TEST_CASE("forking: a first process that fails takes the others with it") {
  Beam beam;
  beam.Send(
      Shell("sleep 1000 & echo $!; exit 4",
            {Flag("init"), Flag("forking"), Flag("auto_proceed"), {Atom("stdio"), Atom("pipe")}}));
  beam.NextRunning();
  const test::Said said = test::NextUntilEnd(beam);
  CHECK(said.rest == "{:status, :exited, 4}");
  CHECK_FALSE(IsAlive(std::stoi(said.out)));
}

TEST_CASE("forking: signals go to those who were left") {
  Beam beam;
  beam.Send(Daemon("trap \"exit 7\" TERM; echo $$; while :; do sleep 0.01; done"));
  AwaitForked(beam);
  NextPid(beam);
  beam.Send(test::Signal(SIGTERM));
  CHECK(test::NextUntilEnd(beam).rest == "{:status, :exited, 7}");
}

TEST_CASE("forking: an abort, and SIGKILL, end all of it") {
  for (const std::string& end : {Atom("abort"), test::Signal(SIGKILL)}) {
    Beam beam;
    beam.Send(Daemon("trap \"\" TERM; echo $$; exec sleep 1000"));
    AwaitForked(beam);
    const pid_t pid = NextPid(beam);
    beam.Send(end);
    CHECK(test::NextUntilEnd(beam).rest == "{:status, :signaled, 9}");
    CHECK_FALSE(IsAlive(pid));
  }
}

TEST_CASE("forking: the orphan policy holds for those who were left") {
  Beam beam;
  beam.Send(Daemon("trap \"\" TERM; echo $$; exec sleep 1000", {test::KillAfter(20)}));
  AwaitForked(beam);
  const pid_t pid = NextPid(beam);
  beam.CloseInput();
  CHECK(test::NextUntilEnd(beam).rest == "{:status, :signaled, 9}");
  CHECK_FALSE(IsAlive(pid));
}

TEST_CASE("forking: an init that is killed is no end that can be told") {
  Beam beam;
  beam.Send(Daemon("echo $$; exec sleep 1000"));
  AwaitForked(beam);
  const pid_t pid = NextPid(beam);
  ProcStat stat;
  REQUIRE(ReadProcStat(test::OpenProc().get(), pid, &stat));
  kill(stat.ppid, SIGKILL);
  CHECK(test::NextUntilEnd(beam).rest == "{:error, 10, :init}");
  CHECK_FALSE(IsAlive(pid));
}

TEST_CASE("forking: it is paused and counted as before") {
  Beam beam;
  beam.Send(Daemon("echo $$; exec sleep 1000"));
  AwaitForked(beam);
  const pid_t pid = NextPid(beam);
  beam.Send(Atom("pause"));
  CHECK(beam.Next() == "{:status, :paused}");
  ProcStat stat;
  REQUIRE(ReadProcStat(test::OpenProc().get(), pid, &stat));
  CHECK(stat.state == 'T');
  beam.Send(Atom("stats"));
  const std::string stats = beam.Next();
  CAPTURE(stats);
  CHECK(stats.find(":processes => 1") != std::string::npos);
  beam.Send(test::Signal(SIGTERM));
  CHECK(beam.Next() == "{:status, :resumed}");
  CHECK(test::NextUntilEnd(beam).rest == "{:status, :signaled, 15}");
}

}  // namespace
}  // namespace linx
