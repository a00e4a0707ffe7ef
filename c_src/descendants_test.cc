#include "descendants.h"

#include <doctest/doctest.h>
#include <sys/prctl.h>

#include <string>
#include <thread>
#include <vector>

#include "test_process.h"

namespace linx {
namespace {

// Kills from a process of its own, below which a test grows its tree, and whose children the
// orphans of the tree become. `grow` forks and reports each pid with Tell.
struct Tree {
  test::Pipe pids;
  std::vector<pid_t> grown;

  void Tell() { dprintf(pids.in.get(), "%d\n", getpid()); }
  [[noreturn]] void TellAndStay() {
    Tell();
    for (;;) pause();
  }

  // Runs `grow`, waits until `count` processes have told, then `kill`; answers the exit code.
  template <typename Grow, typename Kill>
  int Run(size_t count, Grow grow, Kill kill) {
    test::Process root = test::ForkProcess([&] {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      grow();
      for (size_t i = 0; i < count; ++i) grown.push_back(std::stoi(pids.ReadLine()));
      return kill();
    });
    return root.ExitCode();
  }
};

void Reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// Passes until nobody is left, as the init makes them.
int KillAll(const Spare& spare = {}) {
  const UniqueFd proc = test::OpenProc();
  return test::Eventually([&] {
    KillDescendants(proc.get(), spare);
    Reap();
    return waitpid(-1, nullptr, WNOHANG) < 0;
  })
             ? 0
             : 1;
}

TEST_CASE("a caller without children signals nobody") {
  test::Process process =
      test::ForkProcess([] { return KillDescendants(test::OpenProc().get(), Spare{}); });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("children are killed, and what is below them") {
  Tree tree;
  const auto grow = [&] {
    if (fork() == 0) {
      if (fork() == 0) {
        if (fork() == 0) tree.TellAndStay();
        tree.TellAndStay();
      }
      tree.TellAndStay();
    }
    if (fork() == 0) tree.TellAndStay();
  };
  CHECK(tree.Run(4, grow, [] { return KillAll(); }) == 0);
}

TEST_CASE("setsid and a double fork do not get away, nor a handler, nor a stop") {
  Tree tree;
  const auto grow = [&] {
    if (fork() == 0) {
      // A daemon: its parent exits at once.
      if (fork() == 0) {
        setsid();
        if (fork() == 0) tree.TellAndStay();
        _exit(0);
      }
      _exit(0);
    }
    if (fork() == 0) {
      for (int number = 1; number < SIGRTMAX; ++number) signal(number, SIG_IGN);
      tree.TellAndStay();
    }
    if (fork() == 0) {
      tree.Tell();
      raise(SIGSTOP);
      _exit(0);
    }
  };
  CHECK(tree.Run(3, grow, [] { return KillAll(); }) == 0);
}

TEST_CASE("a chain deeper than one pass goes is killed in the end") {
  Tree tree;
  const auto grow = [&] {
    const pid_t root = getpid();
    for (int depth = 0; depth < 50 && fork() == 0; ++depth) tree.Tell();
    while (getpid() != root) pause();
  };
  CHECK(tree.Run(50, grow, [] { return KillAll(); }) == 0);
}

TEST_CASE("more children than one read of their list holds") {
  Tree tree;
  const auto grow = [&] {
    for (int i = 0; i < 100; ++i) {
      if (fork() == 0) tree.TellAndStay();
    }
  };
  const auto kill = [] { return KillDescendants(test::OpenProc().get(), Spare{}); };
  CHECK(tree.Run(100, grow, kill) == 100);
}

TEST_CASE("the children of every thread are found") {
  Tree tree;
  const auto grow = [&] {
    std::thread([&] {
      if (fork() == 0) tree.TellAndStay();
      for (;;) pause();
    }).detach();
    if (fork() == 0) tree.TellAndStay();
  };
  const auto kill = [] { return KillDescendants(test::OpenProc().get(), Spare{}); };
  CHECK(tree.Run(2, grow, kill) == 2);
}

TEST_CASE("a spared child stays, with all below it") {
  Tree tree;
  const auto grow = [&] {
    if (fork() == 0) {
      if (fork() == 0) tree.TellAndStay();
      tree.TellAndStay();
    }
    if (fork() == 0) tree.TellAndStay();
  };
  const auto kill = [&] {
    // The parent of another told process is the one to spare.
    ProcStat stat;
    const UniqueFd proc = test::OpenProc();
    pid_t spared = 0;
    for (const pid_t pid : tree.grown) {
      if (ReadProcStat(proc.get(), pid, &stat) && stat.ppid != getpid()) spared = stat.ppid;
    }
    const Spare spare{[](void* context, pid_t pid) { return *static_cast<pid_t*>(context) == pid; },
                      &spared};
    if (KillDescendants(proc.get(), spare) != 1) return 1;
    if (!test::Eventually([] { return waitpid(-1, nullptr, WNOHANG) > 0; })) return 2;
    int alive = 0;
    for (const pid_t pid : tree.grown) alive += test::IsAlive(pid) ? 1 : 0;
    return alive == 2 && KillAll() == 0 ? 0 : 3;
  };
  CHECK(tree.Run(3, grow, kill) == 0);
}

TEST_CASE("the caller's siblings are nobody's descendants") {
  test::Process sibling = test::ForkProcess([] { return pause(); });
  test::Process process =
      test::ForkProcess([] { return KillDescendants(test::OpenProc().get(), Spare{}); });
  CHECK(process.ExitCode() == 0);
  CHECK(test::IsAlive(sibling.pid()));
}

TEST_CASE("without a /proc nobody is signalled") {
  test::Process process = test::ForkProcess([] { return KillDescendants(-1, Spare{}); });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("thawing what is not frozen does no harm") {
  const UniqueFd proc = test::OpenProc();
  test::Process process = test::ForkProcess([] { return pause(); });
  ThawFreezer(proc.get(), process.pid());
  ThawFreezer(proc.get(), 0);
  ThawFreezer(-1, process.pid());
  CHECK(test::IsAlive(process.pid()));
}

}  // namespace
}  // namespace linx
