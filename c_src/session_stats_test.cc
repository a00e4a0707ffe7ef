#include "session_stats.h"

#include <doctest/doctest.h>
#include <linux/capability.h>

#include <cstdlib>
#include <string>

#include "strays.h"
#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::Shell;
using test::Spawn;
using test::Tuple;

const std::string kStats = Atom("stats");

uint64_t Value(const std::string& stats, const std::string& key) {
  const std::string mark = ":" + key + " => ";
  const size_t at = stats.find(mark);
  CAPTURE(stats);
  REQUIRE(stats.rfind("{:stats, %{", 0) == 0);
  REQUIRE(at != std::string::npos);
  return std::strtoull(stats.c_str() + at + mark.size(), nullptr, 10);
}

std::string Ask(Beam& beam) {
  beam.Send(kStats);
  return beam.Next();
}

// That much output of a terminal.
std::string Output(Beam& beam, size_t size) {
  constexpr std::string_view kBegin = "{:pty_out, \"";
  std::string all;
  while (all.size() < size) {
    const std::string event = beam.Next();
    CAPTURE(event);
    REQUIRE(event.rfind(kBegin, 0) == 0);
    all += event.substr(kBegin.size(), event.size() - kBegin.size() - 2);
  }
  return all;
}

TEST_CASE("stats count the whole tree, but no init") {
  for (const bool init : {false, true}) {
    for (const bool namespaced : {false, true}) {
      if (namespaced && !test::HasCapability(CAP_SYS_ADMIN)) continue;
      CAPTURE(init);
      CAPTURE(namespaced);
      Beam beam;
      test::Pairs pairs = {Flag("init", init), Flag("auto_proceed")};
      if (namespaced) pairs.emplace_back(Atom("namespaces"), test::List({Atom("pid")}));
      beam.Send(Shell("sleep 1000 & (sleep 1000 & sleep 1000) & wait", pairs));
      const pid_t pid = beam.NextRunning();
      std::string stats;
      REQUIRE(test::Eventually([&] { return Value(stats = Ask(beam), "processes") == 4; }));
      CHECK(Value(stats, "resident_bytes") > 4 * 4096);
      CHECK(Value(stats, "fds") >= 3);
      CHECK(Value(stats, "cpu_us") < 60'000'000);
      // All of its group: without an init nobody else would end the rest.
      kill(-pid, SIGKILL);
      CHECK(beam.Next() == "{:status, :signaled, 9}");
      CHECK(test::Eventually([&] {
        ReapStrays(beam.launcher(), 0);
        return kill(-pid, 0) < 0;
      }));
    }
  }
}

TEST_CASE("CPU time counts what children used, also those that are gone") {
  Beam beam;
  const std::string burn =
      "t=0; while [ $t -lt 10 ]; do read -r s < /proc/self/stat; set -- $s; t=${14}; done";
  beam.Send(Shell("sh -c '" + burn + "'; sleep 1000", {Flag("init"), Flag("auto_proceed")}));
  beam.NextRunning();
  std::string stats;
  CHECK(test::Eventually([&] { return Value(stats = Ask(beam), "cpu_us") >= 100'000; }));
  CHECK(test::Eventually([&] { return Value(stats = Ask(beam), "resident_bytes") > 0; }));
  CHECK(Value(stats, "cpu_us") >= 100'000);
}

TEST_CASE("the workload's open files are counted, not those of the rest") {
  Beam beam;
  beam.Send(Shell("exec 3</dev/null 4</dev/null 5</dev/null; echo; sleep 1000 3<&- 4<&- 5<&-; :",
                  {{Atom("stdio"), Atom("devnull")}, Flag("init"), Flag("auto_proceed")}));
  beam.NextRunning();
  CHECK(test::Eventually([&] {
    const std::string stats = Ask(beam);
    return Value(stats, "processes") == 2 && Value(stats, "fds") == 6;
  }));
}

TEST_CASE("bytes of a terminal are counted both ways") {
  Beam beam;
  beam.Send(Shell("stty raw -echo; echo ready; exec cat",
                  {{Atom("stdio"), Atom("pty")}, Flag("auto_proceed")}));
  beam.NextRunning();
  CHECK(Output(beam, 6) == "ready\n");
  beam.Send(Tuple({Atom("pty_in"), Binary("12345")}));
  CHECK(Output(beam, 5) == "12345");
  const std::string stats = Ask(beam);
  CHECK(Value(stats, "pty_in_bytes") == 5);
  CHECK(Value(stats, "pty_out_bytes") == 11);
  for (const char* key : {"stdin_bytes", "stdout_bytes", "stderr_bytes"}) {
    CHECK(Value(stats, key) == 0);
  }
}

TEST_CASE("a parked session has stats, and one without a process none") {
  Beam beam;
  beam.Send(Spawn({"/bin/true"}));
  beam.NextReady();
  CHECK(Value(Ask(beam), "processes") == 1);
  beam.Send(Atom("proceed"));
  CHECK(beam.Next() == "{:status, :running}");
  CHECK(beam.Next() == "{:status, :exited, 0}");

  Beam waiting;
  waiting.Send(Spawn({"/bin/true"}, {{Atom("stdio"), Atom("devnull")}}));
  waiting.Send(kStats);
  CHECK(waiting.Next().rfind("{:status, :spawned, ", 0) == 0);
}

TEST_CASE("each of many questions is answered, over a tree that takes several turns to count") {
  constexpr int kChildren = 150;
  Beam beam;
  beam.Send(Shell("i=0; while [ $i -lt " + std::to_string(kChildren) +
                      " ]; do sleep 1000 & i=$((i + 1)); done; wait",
                  {Flag("init"), Flag("auto_proceed")}));
  beam.NextRunning();
  REQUIRE(test::Eventually([&] { return Value(Ask(beam), "processes") == kChildren + 1; }));
  for (int i = 0; i < 3; ++i) beam.Send(kStats);
  for (int i = 0; i < 3; ++i) CHECK(Value(beam.Next(), "processes") == kChildren + 1);
  beam.Send(kStats);
  beam.Send(Atom("abort"));
  // What the end overtakes is not answered.
  std::string event = beam.Next();
  if (event.rfind("{:stats", 0) == 0) event = beam.Next();
  CHECK(event == "{:status, :signaled, 9}");
  CHECK(beam.Next() == "the end");
}

}  // namespace
}  // namespace linx
