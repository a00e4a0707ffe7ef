#include "guard.h"

#include <doctest/doctest.h>
#include <sys/prctl.h>

#include <string>
#include <type_traits>

#include "leaves.h"
#include "test_cgroup.h"
#include "test_process.h"

namespace linx {
namespace {

using test::Eventually;
using test::IsAlive;

// A guard whose agent runs `agent(spares)` and exits with its answer.
template <typename Agent>
test::Process Guard(Agent agent) {
  return test::ForkProcess([&] {
    test::TakeSignalsAsTheAgentDoes();
    SpareTable* spares = SpareTable::Create();
    LeafParents* parents = LeafParents::Create();
    if (spares == nullptr || parents == nullptr || !StandGuard(*spares, *parents).ok()) return 99;
    if constexpr (std::is_invocable_v<Agent, SpareTable&>) {
      return agent(*spares);
    } else {
      return agent(*parents);
    }
  });
}

[[noreturn]] void Stay() {
  for (;;) pause();
}

CgroupWish WishBelow(const test::Cgroup& cgroup) {
  CgroupWish wish;
  wish.wanted = true;
  wish.parent = cgroup.path.substr(ReadCgroupTree().value().mount.point.size() + 1);
  return wish;
}

TEST_CASE("the guard exits with the agent's code") {
  CHECK(Guard([](SpareTable&) { return 0; }).ExitCode() == 0);
  CHECK(Guard([](SpareTable&) { return 3; }).ExitCode() == 3);
}

TEST_CASE("an agent that a signal ended shows as 128 and the signal's number") {
  test::Process guard = Guard([](SpareTable&) {
    kill(getpid(), SIGKILL);
    return 0;
  });
  CHECK(guard.ExitCode() == 128 + SIGKILL);
}

TEST_CASE("the leaves of an agent that was killed are removed with what was in them") {
  if (!test::HasLeaves()) return;
  const test::Cgroup cgroup("guard");
  test::Pipe said;
  test::Process guard = Guard([&](LeafParents& parents) {
    Leaves leaves(parents);
    Result<Leaf> leaf = leaves.Make(WishBelow(cgroup));
    Result<Leaf> empty = leaves.Make(WishBelow(cgroup));
    if (!leaf.ok() || !empty.ok() || mkdirat(leaf.value().fd(), "below", 0755) != 0) return 1;
    if (fork() == 0) Stay();
    const pid_t child = fork();
    if (child == 0) Stay();
    if (!leaf.value().Place(child).ok()) return 2;
    dprintf(said.in.get(), "%d\n", getpid());
    Stay();
    return 0;
  });
  const pid_t agent = std::stoi(said.ReadLine());
  CHECK(cgroup.Below().size() == 2);
  kill(agent, SIGKILL);
  CHECK(guard.ExitCode() == 128 + SIGKILL);
  CHECK(cgroup.Below().empty());
}

TEST_CASE("the guard waits for who dies in a leaf without being its descendant") {
  if (!test::HasLeaves()) return;
  const test::Cgroup cgroup("guard");
  test::Pipe said;
  test::Process guard = Guard([&](LeafParents& parents) {
    Result<Leaf> leaf = Leaves(parents).Make(WishBelow(cgroup));
    if (!leaf.ok()) return 1;
    dprintf(said.in.get(), "%d\n", getpid());
    Stay();
    return 0;
  });
  const pid_t agent = std::stoi(said.ReadLine());
  REQUIRE(cgroup.Below().size() == 1);
  test::Process stranger = test::ForkProcess([] {
    Stay();
    return 0;
  });
  const std::string procs = cgroup.path + "/" + *cgroup.Below().begin() + "/cgroup.procs";
  const UniqueFd fd(open(procs.c_str(), O_WRONLY | O_CLOEXEC));
  REQUIRE(dprintf(fd.get(), "%d", stranger.pid()) > 0);
  kill(agent, SIGKILL);
  CHECK(Eventually([&] { return !IsAlive(agent); }));
  kill(stranger.pid(), SIGKILL);
  CHECK(stranger.EndSignal() == SIGKILL);
  CHECK(guard.ExitCode() == 128 + SIGKILL);
  CHECK(cgroup.Below().empty());
}

TEST_CASE("the agent is the guard's child, and the guard keeps no fd of the agent's") {
  test::Pipe said, held;
  test::Process guard = Guard([&](SpareTable&) {
    dprintf(said.in.get(), "%d\n%d\n", getpid(), getppid());
    Stay();
    return 0;
  });
  const pid_t agent = std::stoi(said.ReadLine());
  CHECK(std::stoi(said.ReadLine()) == guard.pid());
  CHECK(Eventually([&] { return test::StatusLine(guard.pid(), "Name") == "linx_guard"; }));
  int fds = 0;
  CHECK(Eventually([&] {
    fds = 0;
    for (int fd = 0; fd < 64; ++fd) {
      fds +=
          test::ReadLink(test::ProcPath(guard.pid(), "fd/" + std::to_string(fd))).empty() ? 0 : 1;
    }
    return fds == 1;  // /proc
  }));
  kill(agent, SIGKILL);
  CHECK(guard.ExitCode() == 128 + SIGKILL);
}

TEST_CASE(
    "when the agent is killed, what it and its children left is killed before the guard exits") {
  test::Pipe pids;
  test::Process guard = Guard([&](SpareTable&) {
    for (int i = 0; i < 3; ++i) {
      if (fork() != 0) continue;
      if (setsid() > 0 && fork() == 0) {
        dprintf(pids.in.get(), "%d\n", getpid());
        Stay();
      }
      if (i == 0) _exit(0);  // its child is an orphan already
      Stay();
    }
    Stay();
    return 0;
  });
  pid_t strays[3];
  for (pid_t& stray : strays) stray = std::stoi(pids.ReadLine());
  // The agent is the guard's first child.
  const std::string children = test::ReadFile(
      test::ProcPath(guard.pid(), "task/" + std::to_string(guard.pid()) + "/children"));
  kill(std::stoi(children), SIGKILL);
  CHECK(guard.ExitCode() == 128 + SIGKILL);
  for (const pid_t stray : strays) CHECK_FALSE(IsAlive(stray));
}

TEST_CASE("what the table spares lives on") {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  test::Pipe pids;
  test::Process guard = Guard([&](SpareTable& spares) {
    for (int i = 0; i < 2; ++i) {
      const pid_t child = fork();
      if (child == 0) Stay();
      if (i == 0) spares.Add(child);
      dprintf(pids.in.get(), "%d\n", child);
    }
    kill(getpid(), SIGKILL);
    return 0;
  });
  const pid_t spared = std::stoi(pids.ReadLine());
  const pid_t other = std::stoi(pids.ReadLine());
  CHECK(guard.ExitCode() == 128 + SIGKILL);
  CHECK(IsAlive(spared));
  CHECK_FALSE(IsAlive(other));
  test::Process orphan(spared);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

// The agent's part in it is to wind down; here it exits with what it was sent.
int ExitWithSignal() {
  sigset_t all;
  sigfillset(&all);
  return sigwaitinfo(&all, nullptr);
}

TEST_CASE("a signal that would end the guard goes to the agent as SIGTERM") {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    test::Pipe ready;
    test::Process guard = Guard([&](SpareTable&) {
      dprintf(ready.in.get(), "ready\n");
      return ExitWithSignal();
    });
    CHECK(ready.ReadLine() == "ready");
    kill(guard.pid(), number);
    CHECK(guard.ExitCode() == SIGTERM);
  }
}

TEST_CASE("other signals do nothing to the guard") {
  test::Pipe ready;
  test::Process guard = Guard([&](SpareTable&) {
    dprintf(ready.in.get(), "ready\n");
    return ExitWithSignal();
  });
  CHECK(ready.ReadLine() == "ready");
  for (const int number : {SIGUSR1, SIGPIPE, SIGALRM}) kill(guard.pid(), number);
  kill(guard.pid(), SIGTERM);
  CHECK(guard.ExitCode() == SIGTERM);
}

TEST_CASE("the agent hears of the guard's death by SIGTERM") {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  test::Pipe pids;
  test::Process guard = Guard([&](SpareTable&) {
    dprintf(pids.in.get(), "%d\n", getpid());
    return ExitWithSignal();
  });
  const pid_t agent = std::stoi(pids.ReadLine());
  kill(guard.pid(), SIGKILL);
  CHECK(guard.EndSignal() == SIGKILL);
  CHECK(test::Process(agent).ExitCode() == SIGTERM);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

}  // namespace
}  // namespace linx
