#include "proc_stat.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sched.h>

#include "clone.h"
#include "test_process.h"

namespace linx {
namespace {

constexpr std::string_view kLine =
    "4321 (name) S 17 4321 4321 34816 4321 4194368 100 0 0 0 0 0 0 0 20 0 1 0 5 6 7";

std::string WithName(const std::string& name) {
  return "4321 (" + name + ") S 17 4321 4321 34816 4321 4194368 100 0";
}

TEST_CASE("a stat line gives state, parent and flags") {
  ProcStat stat;
  REQUIRE(ParseProcStat(kLine, &stat));
  CHECK(stat.state == 'S');
  CHECK(stat.ppid == 17);
  CHECK(stat.flags == 4194368);
  CHECK_FALSE(stat.execed());
}

TEST_CASE("a whole stat line gives times and memory too") {
  ProcStat stat;
  REQUIRE(ParseProcStat("1 (x) S 0 0 0 0 -1 64 1 2 3 4 100 20 3000 400 20 0 7 0 55 8888 99 1844",
                        &stat));
  CHECK(stat.cpu_ticks == 120);
  CHECK(stat.children_ticks == 3400);
  CHECK(stat.start_ticks == 55);
  CHECK(stat.resident_pages == 99);
}

TEST_CASE("a name may hold whatever it likes") {
  for (const std::string name : {"a b c", ")", "((", ") R 1 2 3 4 5 6", "", "\n", "x) Z 1"}) {
    CAPTURE(name);
    ProcStat stat;
    REQUIRE(ParseProcStat(WithName(name), &stat));
    CHECK(stat.state == 'S');
    CHECK(stat.ppid == 17);
  }
}

TEST_CASE("a negative field is read as one") {
  ProcStat stat;
  REQUIRE(ParseProcStat("1 (x) Z 0 -1 0 0 -1 64 0", &stat));
  CHECK(stat.ppid == 0);
  CHECK(stat.flags == 64);
}

TEST_CASE("a line that is cut short is no line") {
  const size_t flags_end = kLine.find("4194368") + 1;
  for (size_t size = 0; size < flags_end; ++size) {
    CAPTURE(size);
    ProcStat stat;
    CHECK_FALSE(ParseProcStat(kLine.substr(0, size), &stat));
  }
}

TEST_CASE("whether a process has exec'd stays readable when it is a zombie") {
  const UniqueFd proc = test::OpenProc();
  ProcStat stat;
  test::Process forked = test::ForkProcess([] { return 0; });
  test::Process execed = test::ForkProcess([] { return execl("/bin/true", "true", nullptr); });
  for (const test::Process* process : {&forked, &execed}) {
    const UniqueFd pidfd = test::OpenPidfd(process->pid());
    REQUIRE(test::Readable(pidfd.get()));
    REQUIRE(ReadProcStat(proc.get(), process->pid(), &stat));
    CHECK(stat.state == 'Z');
    CHECK(stat.ppid == getpid());
    CHECK(stat.execed() == (process == &execed));
  }
}

TEST_CASE("of a process that is gone there is no stat") {
  test::Process process = test::ForkProcess([] { return 0; });
  const pid_t pid = process.pid();
  CHECK(process.ExitCode() == 0);
  ProcStat stat;
  CHECK_FALSE(ReadProcStat(test::OpenProc().get(), pid, &stat));
  CHECK_FALSE(ReadProcStat(-1, getpid(), &stat));
}

TEST_CASE("a pidfd leads to its pid until the process is reaped") {
  const UniqueFd proc = test::OpenProc();
  test::Process process = test::ForkProcess([] { return pause(); });
  const UniqueFd pidfd = test::OpenPidfd(process.pid());
  CHECK(PidOf(proc.get(), pidfd.get()) == process.pid());
  kill(process.pid(), SIGKILL);
  REQUIRE(test::Readable(pidfd.get()));
  CHECK(PidOf(proc.get(), pidfd.get()) == process.pid());
  CHECK(process.EndSignal() == SIGKILL);
  CHECK(PidOf(proc.get(), pidfd.get()) == 0);
}

TEST_CASE("an fd that is no pidfd, or none at all, has no pid") {
  const UniqueFd proc = test::OpenProc();
  CHECK(PidOf(proc.get(), proc.get()) == 0);
  CHECK(PidOf(proc.get(), 987) == 0);
}

TEST_CASE("pids are written in decimal") {
  for (const pid_t pid : {0, 1, 9, 10, 4194304, INT32_MAX}) {
    char text[11];
    CHECK(std::string(text, FormatPid(pid, text)) == std::to_string(pid));
  }
}

TEST_CASE("an ordinary process loses no signal") {
  CHECK_FALSE(LosesSignal(test::OpenProc().get(), getpid(), SIGTERM));
  CHECK_FALSE(LosesSignal(test::OpenProc().get(), 0, SIGTERM));
}

TEST_CASE("PID 1 of a namespace loses the signals that it does not handle") {
  const uint64_t flags =
      test::HasCapability(CAP_SYS_ADMIN) ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER;
  test::Pipe ready;
  int fd = -1;
  const long pid = Fork(flags, &fd);
  if (pid == 0) {
    signal(SIGTERM, SIG_DFL);  // doctest has a handler
    signal(SIGUSR1, [](int) {});
    signal(SIGUSR2, SIG_IGN);
    dprintf(ready.in.get(), "ready\n");
    for (;;) pause();
  }
  const UniqueFd pidfd(fd);
  if (pid < 0) {
    // A kernel that lets nobody but root make namespaces.
    CHECK(pid == -EPERM);
    return;
  }
  const test::Process process(static_cast<pid_t>(pid));
  CHECK(ready.ReadLine() == "ready");
  const UniqueFd proc = test::OpenProc();
  CHECK(LosesSignal(proc.get(), process.pid(), SIGTERM));
  CHECK(LosesSignal(proc.get(), process.pid(), SIGUSR2));
  CHECK_FALSE(LosesSignal(proc.get(), process.pid(), SIGUSR1));
}

}  // namespace
}  // namespace linx
