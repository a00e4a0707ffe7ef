#include "strays.h"

#include <doctest/doctest.h>
#include <sys/prctl.h>

#include <vector>

#include "test_process.h"

namespace linx {
namespace {

using test::Eventually;
using test::IsAlive;

// Runs `body(launcher)` in a process that has no other children, whose orphans come to it.
template <typename Body>
int AsAgent(Body body) {
  return test::ForkProcess([&] {
           prctl(PR_SET_CHILD_SUBREAPER, 1);
           Launcher launcher;
           if (!launcher.Open().ok()) return 99;
           const int answer = body(launcher);
           while (KillStrays(launcher)) poll(nullptr, 0, 1);
           return answer;
         })
      .ExitCode();
}

pid_t Child() {
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  return pid;
}

// Dead and not yet reaped.
pid_t Zombie() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  test::Readable(test::OpenPidfd(pid).get());
  return pid;
}

bool IsReaped(pid_t pid) { return kill(pid, 0) < 0; }

TEST_CASE("strays are killed and reaped, with all below them") {
  CHECK(AsAgent([](Launcher& launcher) {
          test::Pipe pids;
          for (int i = 0; i < 3; ++i) {
            if (fork() != 0) continue;
            dprintf(pids.in.get(), "%d\n", Child());
            for (;;) pause();
          }
          std::vector<pid_t> grandchildren;
          for (int i = 0; i < 3; ++i) grandchildren.push_back(std::stoi(pids.ReadLine()));
          if (!KillStrays(launcher)) return 1;
          if (!Eventually([&] { return !KillStrays(launcher); })) return 2;
          for (const pid_t pid : grandchildren) {
            if (IsAlive(pid)) return 3;
          }
          return waitpid(-1, nullptr, WNOHANG) < 0 ? 0 : 4;
        }) == 0);
}

TEST_CASE("without strays there is nothing to come back for") {
  CHECK(AsAgent([](Launcher& launcher) { return KillStrays(launcher) ? 1 : 0; }) == 0);
}

TEST_CASE("a session's process is no stray") {
  CHECK(AsAgent([](Launcher& launcher) {
          const pid_t session = Child(), stray = Child();
          launcher.Adopt(session);
          if (!Eventually([&] { return !KillStrays(launcher); })) return 1;
          if (!IsAlive(session) || !IsReaped(stray)) return 2;
          launcher.Forget(session);
          return 0;
        }) == 0);
}

TEST_CASE("while a helper makes a process nobody is known to be a stray") {
  CHECK(AsAgent([](Launcher& launcher) {
          const pid_t perhaps = Child(), dead = Zombie();
          launcher.BeginEnter();
          if (!KillStrays(launcher)) return 1;
          ReapStrays(launcher, dead);
          ReapStrays(launcher, 0);
          if (!IsAlive(perhaps) || IsReaped(dead)) return 2;
          launcher.EndEnter();
          return 0;
        }) == 0);
}

TEST_CASE("reaping takes the dead that are nobody's, and leaves the living alone") {
  CHECK(AsAgent([](Launcher& launcher) {
          const pid_t living = Child(), one = Zombie(), other = Zombie();
          ReapStrays(launcher, one);
          if (!IsReaped(one) || IsReaped(other)) return 1;
          ReapStrays(launcher, 0);
          if (!IsReaped(other) || !IsAlive(living)) return 2;
          return 0;
        }) == 0);
}

TEST_CASE("a session's dead process is left for the session to reap") {
  CHECK(AsAgent([](Launcher& launcher) {
          const pid_t session = Zombie();
          launcher.Adopt(session);
          ReapStrays(launcher, session);
          ReapStrays(launcher, 0);
          if (IsReaped(session)) return 1;
          launcher.Forget(session);
          ReapStrays(launcher, 0);
          return IsReaped(session) ? 0 : 2;
        }) == 0);
}

}  // namespace
}  // namespace linx
