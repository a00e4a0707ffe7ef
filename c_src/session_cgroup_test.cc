#include <doctest/doctest.h>
#include <linux/capability.h>

#include <algorithm>
#include <string>
#include <vector>

#include "test_beam.h"
#include "test_cgroup.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Eventually;
using test::Flag;
using test::Shell;
using test::Spawn;

const auto kCgroup = Flag("cgroup");
const std::string kPause = Atom("pause");
const std::string kResume = Atom("resume");
const std::string kAbort = Atom("abort");

// The directory of a process's leaf.
std::string LeafOf(pid_t pid) { return ReadCgroupTree().value().mount.point + test::CgroupOf(pid); }

bool IsLeaf(const std::string& path) {
  return path.find("/linx-" + std::to_string(getpid()) + "-") != std::string::npos;
}

std::string Procs(const std::string& leaf) { return test::ReadFile(leaf + "/cgroup.procs"); }

size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Without an init they are this process's, and become zombies a moment after they left their
// cgroup.
void ReapOrphans(int count) {
  for (int i = 0; i < count; ++i) {
    CHECK(Eventually([] { return waitpid(-1, nullptr, WNOHANG) > 0; }));
  }
}

// With and without an init, a checkpoint, a pid namespace.
std::vector<test::Pairs> AllWays() {
  std::vector<test::Pairs> ways;
  for (const bool init : {false, true}) {
    for (const bool auto_proceed : {false, true}) {
      ways.push_back({kCgroup, Flag("init", init), Flag("auto_proceed", auto_proceed)});
      if (!test::HasCapability(CAP_SYS_ADMIN)) continue;
      ways.push_back(ways.back());
      ways.back().emplace_back(Atom("namespaces"), test::List({Atom("pid")}));
    }
  }
  return ways;
}

pid_t NextRunning(Beam& beam, const test::Pairs& way) {
  const pid_t pid = beam.NextReady();
  if (way[2] == Flag("auto_proceed", false)) {
    CHECK(IsLeaf(LeafOf(pid)));
    beam.Send(Atom("proceed"));
  }
  REQUIRE(beam.Next() == "{:status, :running}");
  return pid;
}

TEST_CASE("the workload is in a leaf of its own, alone, and the leaf is gone at the end") {
  if (!test::HasLeaves()) return;
  for (const test::Pairs& way : AllWays()) {
    Beam beam;
    beam.Send(Spawn({"/bin/sleep", "1000"}, way));
    const pid_t pid = NextRunning(beam, way);
    const std::string leaf = LeafOf(pid);
    CHECK(IsLeaf(leaf));
    CHECK(Procs(leaf) == std::to_string(pid) + "\n");
    beam.Send(test::Signal(15));
    // PID 1 of a namespace does not mind SIGTERM.
    beam.Send(kAbort);
    CHECK(beam.Next().rfind("{:status, :signaled, ", 0) == 0);
    CHECK_FALSE(test::Exists(leaf));
  }
}

TEST_CASE("what never runs leaves no leaf") {
  if (!test::HasLeaves()) return;
  const test::Cgroup cgroup("never");
  const std::string below = cgroup.path.substr(ReadCgroupTree().value().mount.point.size() + 1);
  const std::pair<std::string, std::string> wish = {Atom("cgroup"), Binary(below)};
  for (const bool init : {false, true}) {
    Beam failing;
    failing.Send(Spawn({"/no/such/program"}, {wish, Flag("init", init), Flag("auto_proceed")}));
    failing.NextReady();
    CHECK(failing.Next() == "{:error, 2, :execve}");
    CHECK(cgroup.Below().empty());
    Beam aborted;
    aborted.Send(Spawn({"/bin/true"}, {wish, Flag("init", init)}));
    const pid_t pid = aborted.NextReady();
    CHECK(cgroup.Below().size() == 1);
    CHECK(LeafOf(pid).rfind(cgroup.path + "/linx-", 0) == 0);
    aborted.Send(kAbort);
    CHECK(aborted.Next() == "{:status, :aborted, " + std::to_string(pid) + "}");
    CHECK(cgroup.Below().empty());
  }
}

TEST_CASE("a cgroup that is not there is told before anything runs") {
  if (!test::HasLeaves()) return;
  Beam beam;
  beam.Send(Spawn({"/bin/true"}, {{Atom("cgroup"), Binary("no/such/cgroup")}}));
  CHECK(beam.Next() == "{:error, 2, :cgroup_open}");
  CHECK(beam.ExitCode() == kSetupFailed);
}

TEST_CASE("in a leaf nothing is left behind, without an init either") {
  if (!test::HasLeaves()) return;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Shell("for i in 1 2 3; do (trap '' TERM; setsid sleep 1000 &) ; done; read line",
                    {kCgroup,
                     Flag("init", init),
                     Flag("auto_proceed"),
                     {Atom("stdio"), test::List({test::Tuple({Atom("stdin"), Atom("pipe")})})}}));
    const std::string leaf = LeafOf(beam.NextRunning());
    REQUIRE(Eventually([&] { return Lines(Procs(leaf)) == 4; }));
    beam.Send(test::Tuple({Atom("stdin"), Atom("eof")}));
    CHECK(beam.Next() == "{:status, :exited, 1}");
    CHECK_FALSE(test::Exists(leaf));
    if (!init) ReapOrphans(3);
  }
}

TEST_CASE("cgroups that the workload makes below its leaf go with it, frozen ones too") {
  if (!test::HasLeaves() || geteuid() != 0) return;
  Beam beam;
  beam.Send(Shell("leaf=" + ReadCgroupTree().value().mount.point +
                      "$(sed -n 's/^0:://p' /proc/self/cgroup); mkdir -p $leaf/a/b $leaf/c; "
                      "setsid sleep 1000 & echo $! > $leaf/a/b/cgroup.procs; "
                      "echo 1 > $leaf/a/cgroup.freeze; mkdir $leaf/done; read line",
                  {kCgroup,
                   Flag("auto_proceed"),
                   {Atom("stdio"), test::List({test::Tuple({Atom("stdin"), Atom("pipe")})})}}));
  const std::string leaf = LeafOf(beam.NextRunning());
  REQUIRE(Eventually([&] { return test::Exists(leaf + "/done"); }));
  beam.Send(test::Tuple({Atom("stdin"), Atom("eof")}));
  CHECK(beam.Next() == "{:status, :exited, 1}");
  CHECK_FALSE(test::Exists(leaf));
  ReapOrphans(1);
}

TEST_CASE("a pause freezes the leaf") {
  if (!test::HasLeaves()) return;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Shell("sleep 1000 & wait", {kCgroup, Flag("init", init), Flag("auto_proceed")}));
    const std::string leaf = LeafOf(beam.NextRunning());
    REQUIRE(Eventually([&] { return Lines(Procs(leaf)) == 2; }));
    const std::string events = leaf + "/cgroup.events";
    for (int i = 0; i < 3; ++i) {
      beam.Send(kPause);
      CHECK(beam.Next() == "{:status, :paused}");
      CHECK(test::ReadFile(events).find("frozen 1") != std::string::npos);
      beam.Send(kResume);
      CHECK(beam.Next() == "{:status, :resumed}");
      CHECK(test::ReadFile(leaf + "/cgroup.freeze") == "0\n");
    }
    beam.Send(kPause);
    CHECK(beam.Next() == "{:status, :paused}");
    beam.Send(test::Signal(SIGTERM));
    CHECK(beam.Next() == "{:status, :resumed}");
    CHECK(beam.Next() == "{:status, :signaled, 15}");
    CHECK_FALSE(test::Exists(leaf));
    if (!init) ReapOrphans(1);
  }
}

TEST_CASE("a frozen session can be killed") {
  if (!test::HasLeaves()) return;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Spawn({"/bin/sleep", "1000"}, {kCgroup, Flag("init", init), Flag("auto_proceed")}));
    const std::string leaf = LeafOf(beam.NextRunning());
    beam.Send(kPause);
    CHECK(beam.Next() == "{:status, :paused}");
    beam.Send(kAbort);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
    CHECK_FALSE(test::Exists(leaf));
  }
}

TEST_CASE("a workload that freezes itself is thawed for SIGTERM") {
  if (!test::HasLeaves() || geteuid() != 0) return;
  Beam beam;
  beam.Send(
      Shell("trap 'exit 3' TERM; leaf=$(sed -n 's/^0:://p' /proc/self/cgroup); "
            "echo 1 > " +
                ReadCgroupTree().value().mount.point + "$leaf/cgroup.freeze; sleep 1000 & wait",
            {kCgroup, Flag("init"), Flag("auto_proceed")}));
  const std::string leaf = LeafOf(beam.NextRunning());
  REQUIRE(Eventually([&] {
    return test::ReadFile(leaf + "/cgroup.events").find("frozen 1") != std::string::npos;
  }));
  beam.Send(test::Signal(SIGTERM));
  CHECK(beam.Next() == "{:status, :exited, 3}");
}

TEST_CASE("who enters is moved before he runs") {
  if (!test::HasLeaves()) return;
  test::Process target = test::ForkProcess([] { return pause(); });
  for (const bool init : {false, true}) {
    for (const bool auto_proceed : {false, true}) {
      Beam beam;
      beam.launcher().Adopt(target.pid());
      beam.Send(test::Enter(test::Uint(static_cast<uint64_t>(target.pid())), {"/bin/sleep", "1000"},
                            {kCgroup, Flag("init", init), Flag("auto_proceed", auto_proceed)}));
      const pid_t pid = beam.NextReady();
      if (!auto_proceed) {
        CHECK(IsLeaf(LeafOf(pid)));
        beam.Send(Atom("proceed"));
      }
      CHECK(beam.Next() == "{:status, :running}");
      const std::string leaf = LeafOf(pid);
      CHECK(IsLeaf(leaf));
      CHECK(Procs(leaf) == std::to_string(pid) + "\n");
      beam.Send(kAbort);
      CHECK(beam.Next() == "{:status, :signaled, 9}");
      CHECK_FALSE(test::Exists(leaf));
    }
  }
}

TEST_CASE("the root of a fresh cgroup namespace is the leaf") {
  if (!test::HasLeaves() || !test::HasCapability(CAP_SYS_ADMIN)) return;
  for (const bool init : {false, true}) {
    for (const std::string& names :
         {test::List({Atom("cgroup")}), test::List({Atom("cgroup"), Atom("pid"), Atom("user")})}) {
      Beam beam;
      beam.Send(
          Shell("grep ^0:: /proc/self/cgroup",
                {kCgroup,
                 Flag("init", init),
                 Flag("auto_proceed"),
                 {Atom("namespaces"), names},
                 {Atom("stdio"), test::List({test::Tuple({Atom("stdout"), Atom("pipe")})})}}));
      beam.NextRunning();
      CHECK(beam.Next() == "{:stdout, \"0::/\n\"}");
      CHECK(beam.Next() == "{:stdout, :eof}");
      CHECK(beam.Next() == "{:status, :exited, 0}");
    }
  }
}

TEST_CASE("a lingering workload keeps its leaf") {
  if (!test::HasLeaves()) return;
  Beam beam;
  beam.Send(Spawn({"/bin/sleep", "1000"},
                  {kCgroup, Flag("auto_proceed"), {Atom("orphan_policy"), Atom("linger")}}));
  const pid_t pid = beam.NextRunning();
  const std::string leaf = LeafOf(pid);
  beam.Close();
  CHECK(beam.Ends());
  CHECK(Procs(leaf) == std::to_string(pid) + "\n");
  kill(pid, SIGKILL);
  CHECK(waitpid(pid, nullptr, 0) == pid);
  CHECK(rmdir(leaf.c_str()) == 0);
}

TEST_CASE("stats of a leaf count who left his parents, and the time of who is gone") {
  if (!test::HasLeaves()) return;
  Beam beam;
  const std::string burn =
      "t=0; while [ $t -lt 10 ]; do read -r s < /proc/self/stat; set -- $s; t=${14}; done";
  // The one who burns is nobody's child, and not waited for.
  beam.Send(Shell("(setsid sh -c '" + burn + "; exec sleep 1000' &) ; exec sleep 1000",
                  {kCgroup, Flag("auto_proceed")}));
  beam.NextRunning();
  CHECK(Eventually([&] {
    beam.Send(Atom("stats"));
    const std::string stats = beam.Next();
    const size_t cpu = stats.find(":cpu_us => ");
    return stats.find(":processes => 2") != std::string::npos && cpu != std::string::npos &&
           std::stol(stats.substr(cpu + 11)) >= 100'000;
  }));
  beam.Send(kAbort);
  CHECK(beam.Next() == "{:status, :signaled, 9}");
  ReapOrphans(1);
}

TEST_CASE("usage and stats are told of a session in a leaf") {
  if (!test::HasLeaves()) return;
  Beam beam;
  beam.Send(
      Shell("sleep 1000 & wait", {kCgroup, Flag("init"), Flag("usage"), Flag("auto_proceed")}));
  beam.NextRunning();
  CHECK(Eventually([&] {
    beam.Send(Atom("stats"));
    return beam.Next().find(":processes => 2") != std::string::npos;
  }));
  beam.Send(kAbort);
  CHECK(beam.Next().rfind("{:usage, ", 0) == 0);
  CHECK(beam.Next() == "{:status, :signaled, 9}");
}

}  // namespace
}  // namespace linx
