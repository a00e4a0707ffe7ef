#include "enter.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>

#include <cerrno>
#include <string>

#include "clone.h"
#include "raw_syscall.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::ProcPath;
using test::ReadLink;

bool Privileged() { return test::HasCapability(CAP_SYS_ADMIN); }

// A process that waits in fresh namespaces. Whoever may not make them gets a user namespace, too.
struct Target {
  explicit Target(uint64_t fresh) {
    flags = fresh | (fresh != 0 && !Privileged() ? CLONE_NEWUSER : 0);
    int fd = -1;
    const long pid = Fork(flags, &fd);
    if (pid == 0) {
      for (;;) raw::Call(SYS_pause);
    }
    pidfd.Reset(fd);
    made = pid > 0;
    process = test::Process(static_cast<pid_t>(made ? pid : 0));
    if (!made) CHECK(pid == -EPERM);
  }
  uint64_t flags;
  bool made;
  UniqueFd pidfd;
  test::Process process;
};

Plan EnterAll() {
  Plan plan;
  plan.mode = Mode::enter;
  plan.all_namespaces = true;
  return plan;
}

Plan EnterSome(uint64_t namespaces) {
  Plan plan;
  plan.mode = Mode::enter;
  plan.namespaces = namespaces;
  return plan;
}

TEST_CASE("a target is pinned by a pidfd") {
  test::Process process = test::ForkProcess([] { return pause(); });
  Result<UniqueFd> target = OpenTarget(process.pid());
  REQUIRE(target.ok());
  CHECK(PidOf(test::OpenProc().get(), target.value().get()) == process.pid());
  CHECK((fcntl(target.value().get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a target that does not exist is said to be none") {
  test::Process process = test::ForkProcess([] { return 0; });
  const pid_t pid = process.pid();
  CHECK(process.ExitCode() == 0);
  const Result<UniqueFd> target = OpenTarget(pid);
  REQUIRE_FALSE(target.ok());
  CHECK(target.error().stage == Stage::open_target);
  CHECK(target.error().code == ESRCH);
  CHECK(target.error().detail == std::to_string(pid));
}

TEST_CASE("namespaces that are shared are not joined") {
  const UniqueFd proc = test::OpenProc();
  Target target(0);
  REQUIRE(target.made);
  const Result<uint64_t> join = NamespacesToJoin(proc.get(), target.pidfd.get(), EnterAll());
  REQUIRE(join.ok());
  CHECK(join.value() == 0);
}

TEST_CASE("those that differ are, as far as they are wanted") {
  const UniqueFd proc = test::OpenProc();
  Target target(CLONE_NEWUTS | CLONE_NEWIPC);
  if (!target.made) return;
  Result<uint64_t> join = NamespacesToJoin(proc.get(), target.pidfd.get(), EnterAll());
  REQUIRE(join.ok());
  CHECK(join.value() == target.flags);
  join = NamespacesToJoin(proc.get(), target.pidfd.get(), EnterSome(CLONE_NEWUTS | CLONE_NEWNET));
  REQUIRE(join.ok());
  CHECK(join.value() == CLONE_NEWUTS);
  join = NamespacesToJoin(proc.get(), target.pidfd.get(), EnterSome(0));
  REQUIRE(join.ok());
  CHECK(join.value() == 0);
}

TEST_CASE("of a dead target nothing is joined, whether reaped or not") {
  const UniqueFd proc = test::OpenProc();
  Target target(0);
  REQUIRE(target.made);
  kill(target.process.pid(), SIGKILL);
  REQUIRE(test::Readable(target.pidfd.get()));
  for (int round = 0; round < 2; ++round) {
    const Result<uint64_t> join = NamespacesToJoin(proc.get(), target.pidfd.get(), EnterAll());
    REQUIRE_FALSE(join.ok());
    CHECK(join.error().stage == Stage::open_target);
    CHECK(join.error().code == ESRCH);
    target.process.Wait();
  }
}

// The helper as the agent runs it; what it makes is the test's child.
struct Helper {
  test::Channel control, channel;
  EnterPlan plan;
  test::Process process, workload;
  UniqueFd proc = test::OpenProc();
  const char* argv[3] = {"/bin/sleep", "1000", nullptr};
  const char* envp[1] = {nullptr};

  explicit Helper(const Target& target, uint64_t namespaces) {
    plan.target_pidfd = target.pidfd.get();
    plan.namespaces = namespaces;
  }
  void Start() {
    ChildPlan& child = plan.init.child;
    child.path = argv[0];
    child.argv = const_cast<char* const*>(argv);
    child.envp = const_cast<char* const*>(envp);
    child.channel = channel.theirs.get();
    child.auto_proceed = child.groups_optional = true;
    plan.init.channel = control.theirs.get();
    plan.init.proc_fd = proc.get();
    process = test::ForkProcess([&] {
      test::TakeSignalsAsTheAgentDoes();
      RunEnterHelper(&plan);
      return 0;
    });
  }
  void CheckMakes(Report::Kind kind, UniqueFd* pidfd) {
    const auto report = control.Next(pidfd);
    REQUIRE(report);
    REQUIRE(report->kind == kind);
    workload = test::Process(report->pid);
    CHECK(PidOf(proc.get(), pidfd->get()) == report->pid);
    CHECK(process.ExitCode() == 0);
  }
  void CheckExecs() {
    CHECK(channel.Next()->kind == Report::Kind::ready);
    CHECK(channel.Ends());
    CHECK(test::HasExeced(workload.pid()));
  }
  void CheckFails(Stage stage, int code) {
    const auto report = control.Next();
    REQUIRE(report);
    CHECK(report->kind == Report::Kind::failed);
    CHECK(Name(report->stage) == Name(stage));
    CHECK(report->code == code);
    CHECK(control.Ends());
    CHECK(process.ExitCode() == 127);
    CHECK(channel.Ends());
  }
};

TEST_CASE("the workload is the agent's child, in the target's namespaces") {
  Target target(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET);
  if (!target.made) return;
  Helper helper(target, target.flags);
  helper.Start();
  UniqueFd pidfd;
  helper.CheckMakes(Report::Kind::launched, &pidfd);
  helper.CheckExecs();
  for (const char* link : {"ns/uts", "ns/ipc", "ns/net"}) {
    CHECK(ReadLink(ProcPath(helper.workload.pid(), link)) ==
          ReadLink(ProcPath(target.process.pid(), link)));
  }
  kill(helper.workload.pid(), SIGKILL);
  CHECK(helper.workload.EndSignal() == SIGKILL);
}

TEST_CASE("in a pid namespace its pid is told as the host counts") {
  Target target(CLONE_NEWPID);
  if (!target.made) return;
  Helper helper(target, target.flags);
  helper.Start();
  UniqueFd pidfd;
  helper.CheckMakes(Report::Kind::launched, &pidfd);
  helper.CheckExecs();
  const std::string pid = std::to_string(helper.workload.pid());
  CHECK(test::StatusLine(helper.workload.pid(), "NSpid") == pid + "\t2");
}

TEST_CASE("an init of the newcomer's own tells pids as the host counts, too") {
  Target target(CLONE_NEWPID);
  if (!target.made) return;
  Helper helper(target, target.flags);
  helper.plan.with_init = helper.plan.init.foreign_pids = true;
  helper.Start();
  UniqueFd init_pidfd, pidfd;
  helper.CheckMakes(Report::Kind::init_launched, &init_pidfd);
  const auto launched = helper.control.Next(&pidfd);
  REQUIRE(launched);
  CHECK(launched->kind == Report::Kind::launched);
  CHECK(PidOf(helper.proc.get(), pidfd.get()) == launched->pid);
  CHECK(helper.channel.Next()->kind == Report::Kind::ready);
  CHECK(helper.channel.Ends());
  CHECK(syscall(SYS_pidfd_send_signal, pidfd.get(), SIGTERM, nullptr, 0) == 0);
  const auto ended = helper.control.Next();
  REQUIRE(ended);
  CHECK(ended->kind == Report::Kind::ended);
  CHECK(ended->end_status == SIGTERM);
  CHECK(helper.workload.ExitCode() == 0);
}

TEST_CASE("a target that died meanwhile is not entered") {
  SUBCASE("with namespaces to join") {
    Target target(CLONE_NEWUTS);
    if (!target.made) return;
    kill(target.process.pid(), SIGKILL);
    target.process.Wait();
    Helper helper(target, target.flags);
    helper.Start();
    helper.CheckFails(Stage::setns, ESRCH);
  }
  SUBCASE("with none to join") {
    Target target(0);
    REQUIRE(target.made);
    kill(target.process.pid(), SIGKILL);
    target.process.Wait();
    Helper helper(target, 0);
    helper.Start();
    helper.CheckFails(Stage::open_target, ESRCH);
  }
}

TEST_CASE("a pid namespace whose init is dead takes nobody in") {
  Target target(CLONE_NEWPID);
  if (!target.made) return;
  kill(target.process.pid(), SIGKILL);
  REQUIRE(test::Readable(target.pidfd.get()));
  Helper helper(target, target.flags);
  helper.Start();
  helper.CheckFails(Stage::setns, ESRCH);
}

TEST_CASE("a namespace that may not be joined is named") {
  Target target(CLONE_NEWUTS);
  if (!target.made) return;
  Helper helper(target, CLONE_NEWUTS);
  test::Process process = test::ForkProcess([&] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0) return 1;
    helper.Start();
    const auto report = helper.control.Next();
    if (!report || report->kind != Report::Kind::failed) return 2;
    if (report->stage != Stage::setns_uts) return 3;
    return report->code == EPERM && helper.process.ExitCode() == 127 ? 0 : 4;
  });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("who is unmapped in the target's user namespace becomes its root") {
  if (!test::HasUserNamespaces()) return;
  // Its maps name one id of the test's only: for root another than its own.
  test::Pipe ready, go;
  int fd = -1;
  const long pid = Fork(CLONE_NEWUSER, &fd);
  if (pid == 0) {
    for (;;) raw::Call(SYS_pause);
  }
  const UniqueFd pidfd(fd);
  REQUIRE(pid > 0);
  test::Process process(static_cast<pid_t>(pid));
  const bool root = geteuid() == 0;
  const auto put = [&](const char* file, const std::string& text) {
    const UniqueFd out(open(ProcPath(process.pid(), file).c_str(), O_WRONLY | O_CLOEXEC));
    return write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  };
  if (!root) REQUIRE(put("setgroups", "deny"));
  const std::string id = std::to_string(root ? 100000 : geteuid());
  REQUIRE(put("uid_map", "0 " + id + " 1"));
  REQUIRE(put("gid_map", "0 " + std::to_string(root ? 100000 : getegid()) + " 1"));

  Target target(0);
  Helper helper(target, CLONE_NEWUSER);
  helper.plan.target_pidfd = pidfd.get();
  helper.Start();
  UniqueFd workload_pidfd;
  helper.CheckMakes(Report::Kind::launched, &workload_pidfd);
  helper.CheckExecs();
  const std::string ids = id + "\t" + id + "\t" + id + "\t" + id;
  CHECK(test::StatusLine(helper.workload.pid(), "Uid") == ids);
}

}  // namespace
}  // namespace linx
