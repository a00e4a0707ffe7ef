#include "tree_walk.h"

#include <doctest/doctest.h>
#include <sys/prctl.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "test_process.h"

namespace linx {
namespace {

using Found = std::vector<TreeWalk::Found>;

Found WalkAll(TreeRoot root) {
  const UniqueFd proc = test::OpenProc();
  TreeWalk walk(proc.get(), root);
  Found all;
  for (;;) {
    TreeWalk::Found found;
    const TreeWalk::Step step = walk.Next(&found);
    if (step == TreeWalk::Step::over) return all;
    if (step == TreeWalk::Step::found) all.push_back(std::move(found));
  }
}

std::map<pid_t, size_t> Places(const Found& all) {
  std::map<pid_t, size_t> places;
  for (const TreeWalk::Found& found : all) places[found.pid] = places.size();
  return places;
}

// A process that grows a tree below it, whose members tell their pids and stay until the test is
// over.
struct Tree {
  test::Pipe pids, hold;
  test::Process root;

  ~Tree() {
    hold.in.Reset();
    CHECK(root.ExitCode() == 0);
  }

  [[noreturn]] void TellAndStay() {
    hold.in.Reset();
    dprintf(pids.in.get(), "%d\n", getpid());
    char nothing;
    const bool over = read(hold.out.get(), &nothing, 1) == 0;
    while (wait(nullptr) > 0) {
    }
    _exit(over ? 0 : 1);
  }
  template <typename Grow>
  std::vector<pid_t> Start(size_t count, Grow grow) {
    root = test::ForkProcess([&] {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      grow();
      TellAndStay();
      return 0;
    });
    hold.out.Reset();
    std::vector<pid_t> told;
    while (told.size() < count) told.push_back(std::stoi(pids.ReadLine()));
    return told;
  }
};

TEST_CASE("a process alone is its tree") {
  Tree tree;
  tree.Start(1, [] {});
  const Found all = WalkAll({tree.root.pid(), false});
  REQUIRE(all.size() == 1);
  CHECK(all[0].pid == tree.root.pid());
  CHECK(all[0].stat.ppid == getpid());
  CHECK_FALSE(all[0].keeper);
  CHECK(all[0].dir);
}

TEST_CASE("everyone below is found once, and after his parent") {
  Tree tree;
  const std::vector<pid_t> told = tree.Start(7, [&] {
    for (int i = 0; i < 2; ++i) {
      if (fork() != 0) continue;
      if (fork() == 0) tree.TellAndStay();
      // A daemon's double fork: the orphan is the root's, which is a subreaper.
      if (fork() == 0) {
        if (fork() != 0) _exit(0);
        setsid();
        tree.TellAndStay();
      }
      tree.TellAndStay();
    }
  });
  // With the middle of each double fork, a zombie.
  Found all;
  REQUIRE(test::Eventually([&] { return (all = WalkAll({tree.root.pid(), false})).size() == 9; }));
  const std::map<pid_t, size_t> places = Places(all);
  CHECK(places.size() == all.size());
  for (const pid_t pid : told) CHECK(places.count(pid) == 1);
  for (const TreeWalk::Found& found : all) {
    if (found.pid == tree.root.pid()) continue;
    REQUIRE(places.count(found.stat.ppid) == 1);
    CHECK(places.at(found.stat.ppid) < places.at(found.pid));
  }
}

TEST_CASE("children of every thread are found") {
  Tree tree;
  tree.Start(3, [&] {
    static std::atomic<int> forked = 0;
    for (int i = 0; i < 2; ++i) {
      std::thread([&] {
        if (fork() == 0) tree.TellAndStay();
        ++forked;
        for (;;) pause();
      }).detach();
    }
    // fork copies the fds before the memory: one that this thread closes in between would stay
    // open.
    while (forked < 2) std::this_thread::yield();
  });
  CHECK(WalkAll({tree.root.pid(), false}).size() == 3);
}

TEST_CASE("a list that is longer than what is read at a time is read to its end") {
  constexpr size_t kChildren = 300;
  Tree tree;
  tree.Start(kChildren + 1, [&] {
    for (size_t i = 0; i < kChildren; ++i) {
      if (fork() == 0) tree.TellAndStay();
    }
  });
  const Found all = WalkAll({tree.root.pid(), false});
  CHECK(all.size() == kChildren + 1);
  CHECK(Places(all).size() == kChildren + 1);
}

TEST_CASE("who has gone since the list was read is not found") {
  Tree tree;
  const std::vector<pid_t> told = tree.Start(2, [&] {
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) tree.TellAndStay();
  });
  const pid_t child = told[0] == tree.root.pid() ? told[1] : told[0];
  const UniqueFd proc = test::OpenProc();
  TreeWalk walk(proc.get(), {tree.root.pid(), false});
  TreeWalk::Found found;
  CHECK(walk.Next(&found) == TreeWalk::Step::found);
  for (int i = 0; i < 2; ++i) CHECK(walk.Next(&found) == TreeWalk::Step::looked);
  kill(child, SIGKILL);
  REQUIRE(test::Eventually([&] { return kill(child, 0) < 0; }));
  TreeWalk::Step step;
  while ((step = walk.Next(&found)) == TreeWalk::Step::looked) {
  }
  CHECK(step == TreeWalk::Step::over);
}

TEST_CASE("the agent's own processes on top are told from the workload's") {
  Tree tree;
  tree.Start(3, [&] {
    prctl(PR_SET_NAME, "linx_guard");
    if (fork() != 0) return;
    prctl(PR_SET_NAME, "linx_init");
    if (fork() != 0) tree.TellAndStay();
    prctl(PR_SET_NAME, "linx_init");  // but it is none
    tree.TellAndStay();
  });
  const Found all = WalkAll({tree.root.pid(), true});
  REQUIRE(all.size() == 3);
  CHECK(all[0].keeper);
  CHECK(all[1].keeper);
  CHECK_FALSE(all[2].keeper);
  for (const TreeWalk::Found& found : WalkAll({tree.root.pid(), false})) CHECK_FALSE(found.keeper);
}

TEST_CASE("of a root that is gone nothing is found") {
  test::Process process = test::ForkProcess([] { return 0; });
  const pid_t pid = process.pid();
  CHECK(process.ExitCode() == 0);
  CHECK(WalkAll({pid, false}).empty());
}

}  // namespace
}  // namespace linx
