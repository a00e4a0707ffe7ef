#include "init.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>

#include <string>

#include "clone.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::Eventually;
using test::IsAlive;

// An init whose agent is the test. Its processes become the test's where it dies.
struct Running {
  test::Channel control, channel;
  InitPlan plan;
  test::Process process;
  UniqueFd proc = test::OpenProc();
  UniqueFd workload_pidfd;
  pid_t workload = 0;
  const char* argv[4] = {"/bin/sleep", "1000", nullptr, nullptr};
  const char* envp[1] = {nullptr};

  Running() { plan.child.auto_proceed = true; }

  // Makes the init, born with the namespaces of `flags`; false where that is not permitted.
  bool Start(uint64_t flags = 0) {
    plan.channel = control.theirs.get();
    plan.proc_fd = proc.get();
    plan.child.path = argv[0];
    plan.child.argv = const_cast<char* const*>(argv);
    plan.child.envp = const_cast<char* const*>(envp);
    plan.child.channel = channel.theirs.get();
    int fd = -1;
    const long pid = Fork(flags, &fd);
    if (pid == 0) {
      test::TakeSignalsAsTheAgentDoes();
      RunInit(plan);
    }
    const UniqueFd pidfd(fd);
    process = test::Process(static_cast<pid_t>(pid < 0 ? 0 : pid));
    return pid > 0;
  }
  void Shell(const char* script) {
    argv[0] = "/bin/sh";
    argv[1] = "-c";
    argv[2] = script;
  }
  void CheckLaunches() {
    const auto report = control.Next(&workload_pidfd);
    REQUIRE(report);
    REQUIRE(report->kind == Report::Kind::launched);
    REQUIRE(workload_pidfd);
    workload = report->pid;
    // One that was quick is reaped by now, and its pidfd names nobody.
    const pid_t named = PidOf(proc.get(), workload_pidfd.get());
    CHECK((named == workload || named == 0));
  }
  void CheckExecs() {
    const auto report = channel.Next();
    REQUIRE(report);
    CHECK(report->kind == Report::Kind::ready);
    CHECK(channel.Ends());
  }
  // Its last word: how the workload ended, and that nothing is left.
  void CheckEnds(int code, int status, bool execed) {
    const auto report = control.Next();
    REQUIRE(report);
    CHECK(report->kind == Report::Kind::ended);
    CHECK(report->end_code == code);
    CHECK(report->end_status == status);
    CHECK((report->execed != 0) == execed);
    CHECK_FALSE(IsAlive(workload));
    CHECK(control.Ends());
    CHECK(process.ExitCode() == 0);
  }
  void Kill() { CHECK(syscall(SYS_pidfd_send_signal, workload_pidfd.get(), SIGKILL, 0, 0) == 0); }
};

TEST_CASE("the init announces the workload and tells its exit code") {
  Running init;
  init.Shell("exit 7");
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  init.CheckEnds(CLD_EXITED, 7, true);
}

TEST_CASE("the init tells the signal that ended the workload") {
  Running init;
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  CHECK(test::StatusLine(init.process.pid(), "Name") == "linx_init");
  init.Kill();
  init.CheckEnds(CLD_KILLED, SIGKILL, true);
}

TEST_CASE("a workload that a signal meets before its exec has not exec'd") {
  Running init;
  init.plan.child.auto_proceed = false;
  REQUIRE(init.Start());
  init.CheckLaunches();
  CHECK(init.channel.Next());
  init.Kill();
  init.CheckEnds(CLD_KILLED, SIGKILL, false);
}

TEST_CASE("the init keeps nothing of the agent's but its channel") {
  Running init;
  test::Pipe out;
  init.plan.child.stdio[1] = out.in.get();
  init.Shell("exec >&-; exec sleep 1000");
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  // The workload has closed its output: nobody else holds it.
  CHECK(out.ReadAll().empty());
  init.Kill();
  init.CheckEnds(CLD_KILLED, SIGKILL, true);
}

TEST_CASE("what the workload leaves behind is dead before its end is told") {
  Running init;
  test::Pipe pids, go;
  init.plan.child.stdio[0] = go.out.get();
  init.plan.child.stdio[1] = pids.in.get();
  init.Shell(
      "sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' &\n"
      "(setsid sh -c 'echo $$; exec sleep 1000' &)\n"
      "sh -c 'echo $$; kill -STOP $$' &\n"
      "read line; exit 3");
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  pid_t strays[3];
  for (pid_t& stray : strays) stray = std::stoi(pids.ReadLine());
  CHECK(write(go.in.get(), "\n", 1) == 1);
  init.CheckEnds(CLD_EXITED, 3, true);
  for (const pid_t stray : strays) CHECK_FALSE(IsAlive(stray));
}

TEST_CASE("when the agent is gone everything is killed") {
  Running init;
  test::Pipe pids;
  init.plan.child.stdio[1] = pids.in.get();
  init.Shell("sleep 1000 & echo $!; wait");
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  const pid_t stray = std::stoi(pids.ReadLine());
  init.control.ours.Reset();
  CHECK(init.process.ExitCode() == 0);
  CHECK_FALSE(IsAlive(init.workload));
  CHECK_FALSE(IsAlive(stray));
}

TEST_CASE("a lingering workload outlives the agent, and what it leaves dies with it") {
  Running init;
  test::Pipe pids;
  init.plan.linger = true;
  init.plan.child.stdio[1] = pids.in.get();
  init.Shell("(sleep 1000 & echo $!); sleep 1000 & echo $!; wait");
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  const pid_t orphan = std::stoi(pids.ReadLine());
  const pid_t stray = std::stoi(pids.ReadLine());
  init.control.ours.Reset();
  init.channel.ours.Reset();
  // Once the init has reaped its orphan it has seen the agent's end as well.
  kill(orphan, SIGKILL);
  CHECK(Eventually([&] { return kill(orphan, 0) < 0; }));
  CHECK(IsAlive(init.workload));
  CHECK(IsAlive(stray));
  init.Kill();
  CHECK(init.process.ExitCode() == 0);
  CHECK_FALSE(IsAlive(stray));
}

TEST_CASE("the workload dies with its init") {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Running init;
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  kill(init.process.pid(), SIGKILL);
  CHECK(init.process.EndSignal() == SIGKILL);
  test::Process orphan(init.workload);
  CHECK(orphan.EndSignal() == SIGKILL);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("namespaces that the workload may not have are the init's failure") {
  Running init;
  test::Process process = test::ForkProcess([&] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0) return 1;
    init.plan.workload_flags = CLONE_NEWUTS;
    if (!init.Start()) return 2;
    const auto report = init.control.Next();
    if (!report || report->kind != Report::Kind::failed) return 3;
    if (report->stage != Stage::clone || report->code != EPERM) return 4;
    return init.process.ExitCode() == 127 ? 0 : 5;
  });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("the workload gets its own namespaces") {
  Running init;
  init.plan.workload_flags =
      test::HasCapability(CAP_SYS_ADMIN) ? CLONE_NEWUTS : CLONE_NEWUSER | CLONE_NEWUTS;
  if (!test::HasCapability(CAP_SYS_ADMIN) && !test::HasUserNamespaces()) return;
  REQUIRE(init.Start());
  init.CheckLaunches();
  init.CheckExecs();
  CHECK(test::ReadLink(test::ProcPath(init.workload, "ns/uts")) !=
        test::ReadLink(test::ProcPath(init.process.pid(), "ns/uts")));
  init.Kill();
  init.CheckEnds(CLD_KILLED, SIGKILL, true);
}

TEST_CASE("PID 1 of a namespace tells pids as the host counts them, and takes all with it") {
  const uint64_t flags =
      test::HasCapability(CAP_SYS_ADMIN) ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER;
  Running init;
  test::Pipe out, go;
  init.plan.pid_one = init.plan.foreign_pids = true;
  init.plan.child.stdio[0] = go.out.get();
  init.plan.child.stdio[1] = out.in.get();
  init.Shell("(setsid sleep 1000 &); echo $$; read line; exit 4");
  if (!init.Start(flags)) {
    CHECK_FALSE(test::HasUserNamespaces());
    return;
  }
  init.CheckLaunches();
  CHECK(test::StatusLine(init.workload, "NSpid") == std::to_string(init.workload) + "\t2");
  init.CheckExecs();
  CHECK(out.ReadLine() == "2");
  CHECK(write(go.in.get(), "\n", 1) == 1);
  init.CheckEnds(CLD_EXITED, 4, true);
  // The stray held the pipe open.
  CHECK(out.ReadAll().empty());
}

TEST_CASE("a report carries an fd, or none") {
  test::Channel channel;
  Report report = {};
  report.kind = Report::Kind::launched;
  report.pid = 5;
  test::Pipe pipe;
  CHECK(SendReport(channel.theirs.get(), report, pipe.in.get()) == 0);
  CHECK(SendReport(channel.theirs.get(), report, -1) == 0);
  UniqueFd passed;
  CHECK(channel.Next(&passed)->pid == 5);
  CHECK(write(passed.get(), "x", 1) == 1);
  UniqueFd none;
  CHECK(channel.Next(&none));
  CHECK_FALSE(static_cast<bool>(none));
  test::Channel closed;
  closed.ours.Reset();
  CHECK(SendReport(closed.theirs.get(), report, -1) == -EPIPE);
}

}  // namespace
}  // namespace linx
