#include <doctest/doctest.h>
#include <linux/capability.h>

#include <set>
#include <string>

#include "strays.h"
#include "test_beam.h"
#include "tree_walk.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::Shell;

const std::string kPause = Atom("pause");
const std::string kResume = Atom("resume");
const std::string kPaused = "{:status, :paused}";
const std::string kResumed = "{:status, :resumed}";

// A shell with two children, one of which left its session and its parent.
constexpr char kTree[] = "sleep 1000 & (setsid sleep 1000 &) ; wait";

// The states of a tree's processes, without those of the agent's own.
std::multiset<char> States(TreeRoot root) {
  const UniqueFd proc = test::OpenProc();
  TreeWalk walk(proc.get(), root);
  std::multiset<char> states;
  for (;;) {
    TreeWalk::Found found;
    const TreeWalk::Step step = walk.Next(&found);
    if (step == TreeWalk::Step::over) return states;
    if (step == TreeWalk::Step::found && !found.keeper) states.insert(found.stat.state);
  }
}

pid_t ParentOf(pid_t pid) {
  ProcStat stat;
  return ReadProcStat(test::OpenProc().get(), pid, &stat) ? stat.ppid : 0;
}

// A session with an init whose tree is `size` processes large.
TreeRoot StartTree(Beam& beam, const std::string& script, size_t size,
                   const test::Pairs& pairs = {}) {
  test::Pairs all = {Flag("init"), Flag("auto_proceed")};
  all.insert(all.end(), pairs.begin(), pairs.end());
  beam.Send(Shell(script, all));
  const TreeRoot root = {ParentOf(beam.NextRunning()), true};
  REQUIRE(test::Eventually([&] {
    const std::multiset<char> states = States(root);
    return states.size() == size && states.count('S') == size;
  }));
  return root;
}

TEST_CASE("a pause stops the whole tree, and a resume lets it go on") {
  for (const bool namespaced : {false, true}) {
    if (namespaced && !test::HasCapability(CAP_SYS_ADMIN)) continue;
    Beam beam;
    test::Pairs pairs;
    if (namespaced) pairs.emplace_back(Atom("namespaces"), test::List({Atom("pid")}));
    const TreeRoot root = StartTree(beam, kTree, 3, pairs);
    beam.Send(kPause);
    CHECK(beam.Next() == kPaused);
    CHECK(States(root) == std::multiset<char>{'T', 'T', 'T'});
    beam.Send(kResume);
    CHECK(beam.Next() == kResumed);
    CHECK(test::Eventually([&] { return States(root).count('T') == 0; }));
    CHECK(States(root).size() == 3);
  }
}

TEST_CASE("a tree that keeps forking is stopped as it is") {
  Beam beam;
  beam.Send(Shell("while :; do (/bin/true; /bin/true) & /bin/true; wait; done",
                  {Flag("init"), Flag("auto_proceed")}));
  const TreeRoot root = {ParentOf(beam.NextRunning()), true};
  for (int i = 0; i < 5; ++i) {
    beam.Send(kPause);
    CHECK(beam.Next() == kPaused);
    const std::multiset<char> states = States(root);
    // D is a shell in vfork(2), whose child is stopped.
    CHECK(states.count('R') + states.count('S') == 0);
    beam.Send(kResume);
    CHECK(beam.Next() == kResumed);
  }
}

TEST_CASE("who was stopped by others before stays stopped") {
  Beam beam;
  const TreeRoot root = StartTree(beam, kTree, 3);
  pid_t stopped = 0;
  {
    const UniqueFd proc = test::OpenProc();
    TreeWalk walk(proc.get(), root);
    TreeWalk::Found found;
    TreeWalk::Step step;
    while ((step = walk.Next(&found)) != TreeWalk::Step::over) {
      if (step == TreeWalk::Step::found) stopped = found.pid;
    }
  }
  kill(stopped, SIGSTOP);
  REQUIRE(test::Eventually([&] { return States(root).count('T') == 1; }));
  beam.Send(kPause);
  CHECK(beam.Next() == kPaused);
  CHECK(States(root).count('T') == 3);
  beam.Send(kResume);
  CHECK(beam.Next() == kResumed);
  CHECK(test::Eventually([&] { return States(root).count('T') == 1; }));
  ProcStat stat;
  REQUIRE(ReadProcStat(test::OpenProc().get(), stopped, &stat));
  CHECK(stat.state == 'T');
}

TEST_CASE("every question is answered, in its order") {
  Beam beam;
  const TreeRoot root = StartTree(beam, kTree, 3);
  for (const std::string& asked : {kResume, kPause, kPause, kResume, kPause}) beam.Send(asked);
  for (const std::string& said : {kResumed, kPaused, kPaused, kResumed, kPaused}) {
    CHECK(beam.Next() == said);
  }
  CHECK(States(root).count('T') == 3);
}

TEST_CASE("only what runs can be paused") {
  Beam beam;
  beam.Send(test::Spawn({"/bin/true"}));
  beam.NextReady();
  beam.Send(kPause);
  CHECK(beam.Next() == "{:refused, 16, :pause}");
  beam.Send(kResume);
  CHECK(beam.Next() == "{:refused, 16, :resume}");
}

TEST_CASE("a paused session can be killed, and aborted") {
  for (const bool init : {false, true}) {
    for (const std::string& end : {test::Signal(9), Atom("abort")}) {
      Beam beam;
      beam.Send(Shell("exec sleep 1000", {Flag("init", init), Flag("auto_proceed")}));
      beam.NextRunning();
      beam.Send(kPause);
      CHECK(beam.Next() == kPaused);
      beam.Send(end);
      CHECK(beam.Next() == "{:status, :signaled, 9}");
    }
  }
}

TEST_CASE("SIGTERM wakes a paused session, any other signal waits for resume") {
  Beam beam;
  StartTree(beam, kTree, 3);
  beam.Send(kPause);
  CHECK(beam.Next() == kPaused);
  beam.Send(test::Signal(SIGUSR1));
  beam.Send(test::Signal(SIGTERM));
  CHECK(beam.Next() == kResumed);
  const std::string end = beam.Next();
  CHECK((end == "{:status, :signaled, 10}" || end == "{:status, :signaled, 15}"));

  Beam other;
  StartTree(other, kTree, 3);
  other.Send(kPause);
  CHECK(other.Next() == kPaused);
  other.Send(test::Signal(SIGUSR1));
  other.TurnAll();
  CHECK(other.nothing_came());
  other.Send(kResume);
  CHECK(other.Next() == kResumed);
  CHECK(other.Next() == "{:status, :signaled, 10}");
}

TEST_CASE("a SIGTERM overtakes what was asked") {
  Beam beam;
  StartTree(beam, kTree, 3);
  // Both in one frame's time: the pause is not done when the signal comes.
  const std::string both = test::Framed(kPause) + test::Framed(test::Signal(SIGTERM));
  CHECK(beam.Write(both) == both.size());
  std::string event = beam.Next();
  if (event == kPaused) {
    event = beam.Next();
  } else {
    CHECK(event == "{:refused, 125, :pause}");
    event = beam.Next();
  }
  CHECK(event == kResumed);
  CHECK(beam.Next() == "{:status, :signaled, 15}");
}

TEST_CASE("an orphaned session that is paused gets its SIGTERM") {
  Beam beam;
  StartTree(beam, "trap 'exit 3' TERM; sleep 1000 & wait", 2, {test::KillAfter(test::kDeadlineMs)});
  beam.Send(kPause);
  CHECK(beam.Next() == kPaused);
  beam.CloseInput();
  CHECK(beam.Next() == kResumed);
  CHECK(beam.Next() == "{:status, :exited, 3}");
  CHECK(beam.ExitCode() == kReported);
}

TEST_CASE("a lingering workload is not left stopped") {
  Beam beam;
  beam.Send(
      Shell("exec sleep 1000", {Flag("auto_proceed"), {Atom("orphan_policy"), Atom("linger")}}));
  const pid_t pid = beam.NextRunning();
  beam.Send(kPause);
  CHECK(beam.Next() == kPaused);
  beam.Close();
  CHECK(beam.Ends());
  CHECK(test::Eventually([&] {
    ProcStat stat;
    return ReadProcStat(test::OpenProc().get(), pid, &stat) && stat.state == 'S';
  }));
  kill(pid, SIGKILL);
  CHECK(waitpid(pid, nullptr, 0) == pid);
}

}  // namespace
}  // namespace linx
