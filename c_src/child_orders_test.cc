#include "child_orders.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <linux/seccomp.h>

#include "child.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::HasCapability;
using test::StatusLine;
using test::StatusMask;

constexpr uint64_t Bit(int cap) { return uint64_t{1} << cap; }

// A child at its checkpoint.
struct AtCheckpoint : test::Channel {
  ChildPlan plan;
  test::Process process;
  const char* argv[3] = {"/bin/sleep", "1000", nullptr};

  explicit AtCheckpoint(ChildPlan with = {}) : plan(with) {
    const char* envp[] = {nullptr};
    plan.path = argv[0];
    plan.argv = const_cast<char* const*>(argv);
    plan.envp = const_cast<char* const*>(envp);
    plan.channel = theirs.get();
    process = test::ForkProcess([&] {
      test::TakeSignalsAsTheAgentDoes();
      RunChild(plan);
      return 0;
    });
    const auto report = Next();
    REQUIRE(report);
    REQUIRE(report->kind == Report::Kind::ready);
  }
  pid_t pid() const { return process.pid(); }
  bool Execs() {
    Send(Order::Kind::proceed);
    return Ends() && test::HasExeced(pid());
  }
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

ChildPlan AsNobody() {
  ChildPlan plan;
  plan.set_uid = plan.set_gid = plan.set_groups = plan.groups_optional = true;
  plan.uid = plan.gid = 65534;
  return plan;
}

TEST_CASE("a filter is tried at once and in force only in the workload") {
  AtCheckpoint child;
  child.SendFilter(test::AlwaysReturn(SECCOMP_RET_ALLOW));
  // A second order shows that the first is done, and does nothing.
  child.Send(Order::Kind::cap_set_ambient, 0);
  CHECK(StatusLine(child.pid(), "Seccomp") == "0");
  CHECK(child.Execs());
  CHECK(StatusLine(child.pid(), "Seccomp") == "2");
  CHECK(StatusLine(child.pid(), "NoNewPrivs") == "1");
}

TEST_CASE("a bad filter is reported while parked") {
  AtCheckpoint child;
  SUBCASE("no return") { child.SendFilter(test::Program({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)})); }
  SUBCASE("reads outside of the call's data") {
    child.SendFilter(test::Program(
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}));
  }
  SUBCASE("no instruction") { child.SendFilter({}); }
  SUBCASE("a good one before it") {
    child.SendFilter(test::AlwaysReturn(SECCOMP_RET_ALLOW));
    child.SendFilter(std::string(8, '\0'));
  }
  child.CheckFails(Stage::seccomp_install, EINVAL);
}

TEST_CASE("every filter that was sent is in force") {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  ChildPlan silent;
  silent.stdio[2] = null.get();
  AtCheckpoint child(silent);
  for (size_t i = 0; i + 1 < kMaxFilters; ++i) {
    child.SendFilter(test::AlwaysReturn(SECCOMP_RET_ALLOW));
  }
  child.SendFilter(test::ReturnOn(SYS_clock_nanosleep, SECCOMP_RET_ERRNO | EDOM));
  CHECK(child.Execs());
  // sleep(1) fails instead of sleeping.
  CHECK(child.process.ExitCode() == 1);
}

TEST_CASE("the largest filter fits") {
  AtCheckpoint child;
  std::vector<struct sock_filter> long_way(4095, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0));
  long_way.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  child.SendFilter(test::Program(long_way));
  CHECK(child.Execs());
}

TEST_CASE("a filter that kills everything is taken, and kills before the exec") {
  AtCheckpoint child;
  child.SendFilter(test::AlwaysReturn(SECCOMP_RET_KILL_PROCESS));
  child.Send(Order::Kind::proceed);
  CHECK(child.Ends());
  CHECK(child.process.EndSignal() == SIGSYS);
}

TEST_CASE("a filter that fails everything leaves no process behind") {
  AtCheckpoint child;
  child.SendFilter(test::AlwaysReturn(SECCOMP_RET_ERRNO | EPERM));
  child.Send(Order::Kind::proceed);
  CHECK(child.Ends());
  CHECK(child.process.Wait() != -1);
}

TEST_CASE("a filter against execve alone shows as execve's failure") {
  AtCheckpoint child;
  child.SendFilter(test::ReturnOn(SYS_execve, SECCOMP_RET_ERRNO | EPERM));
  child.Send(Order::Kind::proceed);
  child.CheckFails(Stage::execve, EPERM);
}

TEST_CASE("the bounding set is dropped while parked") {
  AtCheckpoint child;
  const uint64_t before = StatusMask(child.pid(), "CapBnd");
  child.Send(Order::Kind::cap_drop_bounding, Bit(CAP_NET_RAW) | Bit(CAP_SYS_TIME));
  if (!HasCapability(CAP_SETPCAP)) {
    child.CheckFails(Stage::cap_drop_bounding, EPERM);
    return;
  }
  const uint64_t after = before & ~(Bit(CAP_NET_RAW) | Bit(CAP_SYS_TIME));
  CHECK(test::Eventually([&] { return StatusMask(child.pid(), "CapBnd") == after; }));
  CHECK(child.Execs());
  CHECK(StatusMask(child.pid(), "CapBnd") == after);
}

TEST_CASE("a capability that does not exist cannot be dropped") {
  AtCheckpoint child;
  child.Send(Order::Kind::cap_drop_bounding, Bit(63));
  child.CheckFails(Stage::cap_drop_bounding, HasCapability(CAP_SETPCAP) ? EINVAL : EPERM);
}

TEST_CASE("the thread's sets become what was sent") {
  AtCheckpoint child;
  child.Send(Order::Kind::cap_set_thread, 0, 0, 0);
  CHECK(test::Eventually([&] { return StatusMask(child.pid(), "CapPrm") == 0; }));
  CHECK(StatusMask(child.pid(), "CapEff") == 0);
  SUBCASE("more than is permitted is refused") {
    child.Send(Order::Kind::cap_set_thread, Bit(CAP_CHOWN), Bit(CAP_CHOWN), 0);
    child.CheckFails(Stage::cap_set_thread, EPERM);
  }
  SUBCASE("so is an ambient one that is not permitted") {
    child.Send(Order::Kind::cap_set_ambient, Bit(CAP_CHOWN));
    child.CheckFails(Stage::cap_set_ambient, EPERM);
  }
}

TEST_CASE("ambient capabilities reach a workload of another uid") {
  AtCheckpoint child(AsNobody());
  const uint64_t kept = Bit(CAP_NET_BIND_SERVICE);
  child.Send(Order::Kind::cap_set_thread, kept, kept, kept);
  child.Send(Order::Kind::cap_set_ambient, kept);
  if (!HasCapability(CAP_SETUID)) {
    child.Send(Order::Kind::proceed);
    // Whose uid is nobody's anyway has no capability to keep.
    if (geteuid() == 65534) return child.CheckFails(Stage::cap_set_thread, EPERM);
    return child.CheckFails(Stage::gid, EPERM);
  }
  CHECK(child.Execs());
  CHECK(StatusMask(child.pid(), "CapEff") == kept);
  CHECK(StatusMask(child.pid(), "CapPrm") == kept);
  CHECK(StatusMask(child.pid(), "CapAmb") == kept);
}

TEST_CASE("orders wait for a change of ids that needs what they take away") {
  AtCheckpoint child(AsNobody());
  child.Send(Order::Kind::cap_drop_bounding, Bit(CAP_SETUID) | Bit(CAP_SETGID));
  if (!HasCapability(CAP_SETPCAP)) {
    child.Send(Order::Kind::proceed);
    if (geteuid() == 65534) return child.CheckFails(Stage::cap_drop_bounding, EPERM);
    return child.CheckFails(Stage::gid, EPERM);
  }
  CHECK(child.Execs());
  CHECK(StatusMask(child.pid(), "CapEff") == 0);
  CHECK(StatusMask(child.pid(), "CapPrm") == 0);
  CHECK((StatusMask(child.pid(), "CapBnd") & (Bit(CAP_SETUID) | Bit(CAP_SETGID))) == 0);
  CHECK(StatusLine(child.pid(), "Uid") == "65534\t65534\t65534\t65534");
}

TEST_CASE("a waiting order's failure carries the order's own stage") {
  if (!HasCapability(CAP_SETUID)) return;
  AtCheckpoint child(AsNobody());
  child.Send(Order::Kind::cap_set_thread, 0, 0, 0);
  child.Send(Order::Kind::cap_set_ambient, Bit(CAP_CHOWN));
  child.Send(Order::Kind::proceed);
  child.CheckFails(Stage::cap_set_ambient, EPERM);
}

TEST_CASE("only so many orders can wait") {
  AtCheckpoint child(AsNobody());
  for (size_t i = 0; i <= kMaxCapCommands; ++i) child.Send(Order::Kind::cap_set_ambient, 0);
  child.CheckFails(Stage::cap_set_ambient, ENOBUFS);
}

}  // namespace
}  // namespace linx
