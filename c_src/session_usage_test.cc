#include <doctest/doctest.h>
#include <linux/capability.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::Shell;
using test::Spawn;

// Burns CPU until /proc counts a tenth of a second of it: utime is the 14th field.
constexpr char kBurn[] =
    "t=0; while [ $t -lt 10 ]; do read -r s < /proc/self/stat; set -- $s; t=${14}; done";

bool IsUsage(const std::string& event) { return event.rfind("{:usage, %{", 0) == 0; }

uint64_t Value(const std::string& usage, const std::string& key) {
  const std::string mark = ":" + key + " => ";
  const size_t at = usage.find(mark);
  REQUIRE(at != std::string::npos);
  return std::strtoull(usage.c_str() + at + mark.size(), nullptr, 10);
}

// Usage as it is told right before a workload's end, which is left for the caller.
std::string UsageOfRun(Beam& beam) {
  beam.NextRunning();
  const std::string usage = beam.Next();
  CAPTURE(usage);
  REQUIRE(IsUsage(usage));
  return usage;
}

// The ways to have a process: alone, below an init, as and below PID 1 of a namespace.
std::vector<test::Pairs> AllWays() {
  std::vector<test::Pairs> ways = {{Flag("init", false)}, {Flag("init", true)}};
  if (!test::HasCapability(CAP_SYS_ADMIN) && !test::HasUserNamespaces()) return ways;
  const std::string fresh = test::HasCapability(CAP_SYS_ADMIN)
                                ? test::List({Atom("pid")})
                                : test::List({Atom("pid"), Atom("user")});
  for (const bool init : {false, true}) {
    ways.push_back({Flag("init", init), {Atom("namespaces"), fresh}});
  }
  return ways;
}

TEST_CASE("usage is told right before the end, and tells what the workload used") {
  for (test::Pairs way : AllWays()) {
    way.push_back(Flag("usage"));
    way.push_back(Flag("auto_proceed"));
    Beam beam;
    beam.Send(Shell(kBurn, way));
    const std::string usage = UsageOfRun(beam);
    CAPTURE(usage);
    CHECK(Value(usage, "utime_us") >= 100'000);
    CHECK(Value(usage, "wall_us") >= 100'000);
    CHECK(Value(usage, "max_rss_kb") > 0);
    CHECK(Value(usage, "minor_faults") > 0);
    CHECK(usage.find(":core_dumped => :false") != std::string::npos);
    CHECK(beam.Next() == "{:status, :exited, 0}");
    CHECK(beam.ExitCode() == kReported);
  }
}

TEST_CASE("the memory of a workload is counted, not that of the agent") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Spawn({"/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", "status=none"},
                    {Flag("init", init), Flag("usage")}));
    beam.NextReady();
    beam.Send(Atom("proceed"));
    CHECK(beam.Next() == "{:status, :running}");
    const std::string usage = beam.Next();
    CHECK(Value(usage, "max_rss_kb") >= 64u << 10);
    CHECK(Value(usage, "minor_faults") >= 1000);
    CHECK(beam.Next() == "{:status, :exited, 0}");
  }
}

TEST_CASE("time that a workload waits for is wall time, and time at the checkpoint is not") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Spawn({"/bin/sleep", "0.1"}, {Flag("init", init), Flag("usage")}));
    beam.NextReady();
    const uint64_t before = MonotonicUs();
    beam.Send(Atom("proceed"));
    CHECK(beam.Next() == "{:status, :running}");
    const std::string usage = beam.Next();
    CHECK(Value(usage, "wall_us") >= 100'000);
    CHECK(Value(usage, "wall_us") <= MonotonicUs() - before);
    CHECK(Value(usage, "voluntary_switches") > 0);
  }
}

TEST_CASE("what an init kills afterwards does not lengthen the workload's time") {
  Beam beam;
  const std::string script = "(trap '' TERM; sleep 1000) & sleep 0.05";
  beam.Send(Shell(script, {Flag("init"), Flag("usage"), Flag("auto_proceed")}));
  const uint64_t wall = Value(UsageOfRun(beam), "wall_us");
  CHECK(wall >= 50'000);
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

TEST_CASE("a workload in a pid namespace that was entered has used something too") {
  if (!test::HasCapability(CAP_SYS_ADMIN)) return;
  Beam beam;
  beam.Send(test::Tuple({Atom("hello"), test::Uint(1)}));
  beam.Next();
  const test::Pairs fresh = {{Atom("namespaces"), test::List({Atom("pid")})}, Flag("auto_proceed")};
  beam.Send(test::InEnvelope(1, Spawn({"/bin/sleep", "1000"}, fresh)));
  beam.NextReady("{1, ");
  CHECK(beam.Next() == "{1, {:status, :running}}");
  for (const bool init : {false, true}) {
    const std::string target = test::Tuple({Atom("session"), test::Uint(1)});
    beam.Send(test::InEnvelope(2, test::Enter(target, {"/bin/sleep", "0.05"},
                                              {Flag("init", init), Flag("auto_proceed")})));
    beam.NextReady("{2, ");
    CHECK(beam.Next() == "{2, {:status, :running}}");
    const std::string usage = beam.Next();
    CHECK(usage.rfind("{2, {:usage, %{", 0) == 0);
    CHECK(Value(usage, "wall_us") >= 50'000);
    CHECK(Value(usage, "minor_faults") > 0);
    CHECK(beam.Next() == "{2, {:status, :exited, 0}}");
  }
}

TEST_CASE("a process that never ran has used something too") {
  for (const bool init : {false, true}) {
    Beam failing;
    failing.Send(
        Spawn({"/no/such/program"}, {Flag("init", init), Flag("usage"), Flag("auto_proceed")}));
    failing.NextReady();
    CHECK(IsUsage(failing.Next()));
    CHECK(failing.Next() == "{:error, 2, :execve}");
    Beam aborted;
    aborted.Send(Spawn({"/bin/true"}, {Flag("init", init), Flag("usage")}));
    const pid_t pid = aborted.NextReady();
    aborted.Send(Atom("abort"));
    CHECK(IsUsage(aborted.Next()));
    CHECK(aborted.Next() == "{:status, :aborted, " + std::to_string(pid) + "}");
  }
}

TEST_CASE("one that had no process used nothing") {
  Beam beam;
  beam.Send(Spawn({"/bin/true"}, {Flag("usage"), {Atom("target"), test::Uint(1)}}));
  CHECK(beam.Next() == "{:error, 22, :malformed_request}");
}

TEST_CASE("the anonymous form tells usage on request only, the envelope unless told not to") {
  Beam anonymous;
  anonymous.Send(Spawn({"/bin/true"}, {Flag("auto_proceed")}));
  anonymous.NextRunning();
  CHECK(anonymous.Next() == "{:status, :exited, 0}");

  Beam envelope;
  envelope.Send(test::Tuple({Atom("hello"), test::Uint(1)}));
  envelope.Next();
  envelope.Send(test::InEnvelope(1, Spawn({"/bin/true"}, {Flag("auto_proceed")})));
  envelope.NextReady("{1, ");
  CHECK(envelope.Next() == "{1, {:status, :running}}");
  CHECK(envelope.Next().rfind("{1, {:usage, %{", 0) == 0);
  CHECK(envelope.Next() == "{1, {:status, :exited, 0}}");
  const test::Pairs silent = {Flag("auto_proceed"), Flag("usage", false)};
  envelope.Send(test::InEnvelope(2, Spawn({"/bin/true"}, silent)));
  envelope.NextReady("{2, ");
  CHECK(envelope.Next() == "{2, {:status, :running}}");
  CHECK(envelope.Next() == "{2, {:status, :exited, 0}}");
}

}  // namespace
}  // namespace linx
