#include "child.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "pty.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::Eventually;
using test::HasCapability;
using test::ProcPath;
using test::ReadLink;
using test::StatusLine;
using test::StatusMask;

constexpr uid_t kNobody = 65534;

// A child whose agent is the test. The workload's command is set before Start.
struct Parked : test::Channel {
  ChildPlan plan;
  test::Process process;
  const char* argv[4] = {"/bin/sleep", "1000", nullptr, nullptr};
  const char* envp[1] = {nullptr};

  // `before` runs in the child, ahead of everything.
  template <typename Before>
  void Start(Before before) {
    plan.path = argv[0];
    plan.argv = const_cast<char* const*>(argv);
    plan.envp = const_cast<char* const*>(envp);
    plan.channel = theirs.get();
    process = test::ForkProcess([&] {
      test::TakeSignalsAsTheAgentDoes();
      before();
      RunChild(plan);
      return 0;
    });
  }
  void Start() {
    Start([] {});
  }
  void Command(const char* path, const char* a = nullptr, const char* b = nullptr) {
    argv[0] = path;
    argv[1] = a;
    argv[2] = b;
  }
  pid_t pid() const { return process.pid(); }
  bool IsReady() {
    const auto report = Next();
    return report && report->kind == Report::Kind::ready;
  }
  void Proceed() { Send(Order::Kind::proceed); }
  // Proceeds to the workload itself.
  bool Execs() {
    Proceed();
    return Ends() && test::HasExeced(pid());
  }
  // The next word is this failure, and it is the last.
  void CheckFails(Stage stage, int code) {
    const auto report = Next();
    REQUIRE(report);
    CHECK(report->kind == Report::Kind::failed);
    CHECK(Name(report->stage) == Name(stage));
    CHECK(report->code == code);
    CHECK(Ends());
    CHECK(process.ExitCode() == 127);
  }
};

std::set<std::string> FdsOf(pid_t pid) {
  std::set<std::string> fds;
  for (int fd = 0; fd < 256; ++fd) {
    const std::string name = std::to_string(fd);
    if (!ReadLink(ProcPath(pid, "fd/" + name)).empty()) fds.insert(name);
  }
  return fds;
}

TEST_CASE("a parked child says so with its pid and waits to be told") {
  Parked child;
  child.Command("/bin/false");
  child.Start();
  const auto report = child.Next();
  REQUIRE(report);
  CHECK(report->kind == Report::Kind::ready);
  CHECK(report->pid == child.pid());
  CHECK_FALSE(test::HasExeced(child.pid()));
  CHECK(StatusLine(child.pid(), "Name") == "linx_child");
  child.Proceed();
  CHECK(child.Ends());
  CHECK(child.process.ExitCode() == 1);
}

TEST_CASE("auto_proceed needs no order") {
  Parked child;
  child.plan.auto_proceed = true;
  child.Start();
  CHECK(child.IsReady());
  CHECK(child.Ends());
  CHECK(test::HasExeced(child.pid()));
}

TEST_CASE("the workload gets its arguments, its environment and its stdio") {
  Parked child;
  test::Pipe in, out;
  child.Command("/bin/sh", "-c", "read line; echo \"$line $NAME\"; echo no >&2");
  const char* environment[] = {"NAME=value", nullptr};
  child.plan.stdio[0] = in.out.get();
  child.plan.stdio[1] = out.in.get();
  child.plan.stdio[2] = out.in.get();
  child.Start([&] { child.plan.envp = const_cast<char* const*>(environment); });
  CHECK(child.IsReady());
  CHECK(child.Execs());
  CHECK(write(in.in.get(), "given\n", 6) == 6);
  CHECK(out.ReadAll() == "given value\nno\n");
  CHECK(child.process.ExitCode() == 0);
}

TEST_CASE("of the agent's fds the workload keeps 0, 1 and 2 alone") {
  Parked child;
  child.Start([] {
    for (int fd = 10; fd < 200; fd += 7) dup2(0, fd);
  });
  CHECK(child.IsReady());
  CHECK(FdsOf(child.pid()).size() == 4);  // the channel as well
  CHECK(child.Execs());
  // The dynamic linker opens libraries and closes them again.
  const std::set<std::string> stdio{"0", "1", "2"};
  CHECK(Eventually([&] { return FdsOf(child.pid()) == stdio; }));
}

TEST_CASE("signals are as a program expects them") {
  Parked child;
  child.Start();
  CHECK(child.IsReady());
  CHECK(child.Execs());
  CHECK(StatusMask(child.pid(), "SigBlk") == 0);
  CHECK(StatusMask(child.pid(), "SigIgn") == 0);
  CHECK(StatusMask(child.pid(), "SigCgt") == 0);
}

TEST_CASE("the child leads a session of its own") {
  Parked child;
  child.Start();
  CHECK(child.IsReady());
  CHECK(getsid(child.pid()) == child.pid());
}

TEST_CASE("no_new_privs is on before the child is ready") {
  for (const bool wanted : {false, true}) {
    Parked child;
    child.plan.no_new_privs = wanted;
    child.Start();
    CHECK(child.IsReady());
    const bool inherited = StatusLine(getpid(), "NoNewPrivs") == "1";
    CHECK(StatusLine(child.pid(), "NoNewPrivs") == (wanted || inherited ? "1" : "0"));
  }
}

// What is not dumpable belongs to root in /proc, whoever it runs as.
TEST_CASE("a child is dumpable where its plan says so") {
  for (const bool wanted : {false, true}) {
    Parked child;
    child.plan.dumpable = wanted;
    child.Start([] {
      if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) < 0) _exit(1);
      prctl(PR_SET_DUMPABLE, 0);
    });
    CHECK(child.IsReady());
    struct stat owner;
    REQUIRE(stat(ProcPath(child.pid(), "uid_map").c_str(), &owner) == 0);
    CHECK(owner.st_uid == (!wanted ? 0 : geteuid() == 0 ? kNobody : geteuid()));
  }
}

// A program that nobody gets to exec for as long as this lives: its file is leased.
class HeldProgram {
 public:
  HeldProgram() {
    copy_.Reset(mkstemp(path_));
    std::ofstream(path_) << "#!/bin/sh\n";
    fchmod(copy_.get(), 0755);
    copy_.Reset(open(path_, O_RDONLY | O_CLOEXEC));
    // Who opens it meanwhile is announced by a signal that does no harm.
    fcntl(copy_.get(), F_SETSIG, SIGCHLD);
    REQUIRE(fcntl(copy_.get(), F_SETLEASE, F_WRLCK) == 0);
  }
  ~HeldProgram() { unlink(path_); }
  const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/linx-child-XXXXXX";
  UniqueFd copy_;
};

TEST_CASE("from proceed on it is not dumpable any more") {
  const HeldProgram program;
  Parked child;
  child.Command(program.path());
  child.plan.dumpable = true;
  child.Start([] {
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) < 0) _exit(1);
  });
  CHECK(child.IsReady());
  child.Proceed();
  CHECK(Eventually([&] {
    struct stat owner;
    return stat(ProcPath(child.pid(), "uid_map").c_str(), &owner) == 0 && owner.st_uid == 0;
  }));
  CHECK_FALSE(test::HasExeced(child.pid()));
}

TEST_CASE("a parked child does not outlive the agent's end of its channel") {
  Parked child;
  child.Start();
  CHECK(child.IsReady());
  child.ours.Reset();
  CHECK(child.process.ExitCode() == 127);
}

TEST_CASE("a child whose parent is another than it was told never gets ready") {
  Parked child;
  child.plan.parent = 1;
  child.Start();
  CHECK(child.Ends());
  CHECK(child.process.ExitCode() == 127);
}

TEST_CASE("a record that is no order ends the child") {
  Parked child;
  child.Start();
  CHECK(child.IsReady());
  CHECK(send(child.ours.get(), "short", 5, 0) == 5);
  CHECK(child.Ends());
  CHECK(child.process.ExitCode() == 127);
}

// Runs a child below a parent that is killed once the child has exec'd.
bool SurvivesItsParent(bool outlives_parent, bool change_ids) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  Parked child;
  child.plan.outlives_parent = outlives_parent;
  child.plan.set_uid = change_ids;
  child.plan.uid = geteuid();
  child.plan.set_gid = change_ids;
  child.plan.gid = getegid();
  child.plan.auto_proceed = true;
  test::Pipe pids;
  test::Process parent = test::ForkProcess([&] {
    child.Start();
    child.theirs.Reset();
    dprintf(pids.in.get(), "%d\n", child.pid());
    return pause();
  });
  const pid_t pid = std::stoi(pids.ReadLine());
  CHECK(child.IsReady());
  CHECK(child.Ends());
  REQUIRE(test::HasExeced(pid));
  kill(parent.pid(), SIGKILL);
  parent.Wait();
  test::Process orphan(pid);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  if (!outlives_parent) return orphan.EndSignal() != SIGKILL;
  // Its death signal would have been sent before the parent could be reaped.
  return test::IsAlive(pid);
}

TEST_CASE("a workload dies with its parent unless it may outlive it") {
  CHECK_FALSE(SurvivesItsParent(false, false));
  CHECK_FALSE(SurvivesItsParent(false, true));
  CHECK(SurvivesItsParent(true, false));
  CHECK(SurvivesItsParent(true, true));
}

TEST_CASE("a failing execve is reported as what it is") {
  Parked child;
  SUBCASE("no such file") {
    child.Command("/no/such/program");
    child.Start();
    CHECK(child.IsReady());
    child.Proceed();
    child.CheckFails(Stage::execve, ENOENT);
  }
  SUBCASE("a directory") {
    child.Command("/tmp");
    child.Start();
    CHECK(child.IsReady());
    child.Proceed();
    child.CheckFails(Stage::execve, EACCES);
  }
  SUBCASE("a filter that would deny the report") {
    child.Command("/no/such/program");
    child.Start();
    CHECK(child.IsReady());
    child.SendFilter(test::ReturnOn(SYS_write, 0 /* kill */));
    child.Proceed();
    child.CheckFails(Stage::execve, ENOENT);
  }
}

TEST_CASE("a failing chdir is reported, and there is no exec") {
  Parked child;
  child.plan.cwd = "/no/such/directory";
  child.Start();
  CHECK(child.IsReady());
  child.Proceed();
  child.CheckFails(Stage::chdir, ENOENT);
}

TEST_CASE("the workload starts where it is told to") {
  Parked child;
  child.plan.cwd = "/usr/bin";
  child.Start();
  CHECK(child.IsReady());
  CHECK(child.Execs());
  CHECK(ReadLink(ProcPath(child.pid(), "cwd")) == "/usr/bin");
}

TEST_CASE("a cwd outside of the root is refused where that is checked") {
  Parked child;
  child.plan.check_cwd = true;
  const bool may_chroot = HasCapability(CAP_SYS_CHROOT);
  child.Start([] {
    if (chdir("/usr") < 0 || chroot("/proc") < 0) _exit(1);
  });
  if (!may_chroot) {
    CHECK(child.process.ExitCode() == 1);
    return;
  }
  CHECK(child.IsReady());
  child.Proceed();
  child.CheckFails(Stage::chdir, ENOENT);
}

TEST_CASE("an fd for stdio that is none is reported") {
  Parked child;
  child.plan.stdio[1] = 900;
  child.Start();
  CHECK(child.IsReady());
  child.Proceed();
  child.CheckFails(Stage::stdio, EBADF);
}

TEST_CASE("a terminal becomes the workload's controlling terminal") {
  Parked child;
  child.plan.controlling_tty = true;
  SUBCASE("a PTY") {
    Pty pty;
    REQUIRE(pty.Open().ok());
    for (int& fd : child.plan.stdio) fd = pty.peer();
    child.Start();
    CHECK(child.IsReady());
    CHECK(child.Execs());
    pid_t session = 0;
    CHECK(ioctl(pty.TakeMaster().get(), TIOCGSID, &session) == 0);
    CHECK(session == child.pid());
  }
  SUBCASE("no terminal") {
    test::Pipe pipe;
    child.plan.stdio[0] = pipe.out.get();
    child.Start();
    CHECK(child.IsReady());
    child.Proceed();
    child.CheckFails(Stage::stdio, ENOTTY);
  }
}

TEST_CASE("ids change in the order groups, gid, uid") {
  Parked child;
  const uint32_t groups[] = {7, 8};
  child.plan.set_groups = child.plan.set_gid = child.plan.set_uid = true;
  child.plan.groups = groups;
  child.plan.group_count = 2;
  child.plan.gid = 1234;
  child.plan.uid = kNobody;
  child.Start();
  CHECK(child.IsReady());
  if (!HasCapability(CAP_SETGID)) {
    child.Proceed();
    child.CheckFails(Stage::groups, EPERM);
    return;
  }
  CHECK(child.Execs());
  CHECK(StatusLine(child.pid(), "Uid") == "65534\t65534\t65534\t65534");
  CHECK(StatusLine(child.pid(), "Gid") == "1234\t1234\t1234\t1234");
  CHECK(StatusLine(child.pid(), "Groups") == "7 8");
  CHECK(StatusMask(child.pid(), "CapEff") == 0);
}

TEST_CASE("an id that the kernel refuses is reported with its stage") {
  if (!test::HasUserNamespaces()) return;
  // Nothing is mapped in a fresh user namespace.
  const auto unshare_user = [] {
    if (unshare(CLONE_NEWUSER) < 0) _exit(1);
  };
  Parked child;
  child.plan.uid = child.plan.gid = 5;
  SUBCASE("gid") {
    child.plan.set_gid = child.plan.set_uid = true;
    child.Start(unshare_user);
    CHECK(child.IsReady());
    child.Proceed();
    child.CheckFails(Stage::gid, EINVAL);
  }
  SUBCASE("uid") {
    child.plan.set_uid = true;
    child.Start(unshare_user);
    CHECK(child.IsReady());
    child.Proceed();
    child.CheckFails(Stage::uid, EINVAL);
  }
  SUBCASE("nobody asked for it") {
    child.plan.set_gid = child.plan.set_uid = child.plan.ids_optional = true;
    child.plan.set_groups = child.plan.groups_optional = true;
    child.Start(unshare_user);
    CHECK(child.IsReady());
    CHECK(child.Execs());
  }
}

}  // namespace
}  // namespace linx
