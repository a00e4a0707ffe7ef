#include "child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>

#include "channel.h"
#include "child_orders.h"
#include "close_fds.h"
#include "handover.h"
#include "raw_syscall.h"
#include "waiting.h"

namespace linx {
namespace {

struct Child {
  const ChildPlan& plan;
  // The plan's, as long as they are not in the way of what the workload has at their number.
  struct Held {
    int channel;
    int stdio[3];
  } held;
  ChildOrders orders;

  explicit Child(const ChildPlan& p)
      : plan(p),
        held{p.channel, {p.stdio[0], p.stdio[1], p.stdio[2]}},
        orders({plan.defers_caps || changes_ids(), plan.set_uid && plan.uid != 0}) {}
  bool changes_ids() const { return plan.set_uid || plan.set_gid; }
  bool waits() const { return plan.title != nullptr; }
};

struct Step {
  Stage stage;
  long (*run)(Child*);
};

[[noreturn]] void Fail(int channel, Stage stage, long code, int32_t element = 0) {
  Report report = {};
  report.kind = Report::Kind::failed;
  report.stage = stage;
  report.element = element;
  report.code = static_cast<int32_t>(-code);
  raw::Call(SYS_write, channel, &report, sizeof(report));
  raw::Exit(kNotReached);
}

long Prctl(int option, unsigned long a = 0, unsigned long b = 0) {
  return raw::Call(SYS_prctl, option, a, b, 0, 0);
}

long FreshTime(Child* child) {
  return child->plan.fresh_time ? raw::Call(SYS_unshare, CLONE_NEWTIME) : 0;
}

// One that clone makes would have the parent's cgroup for its root.
long FreshCgroup(Child* child) {
  return child->plan.fresh_cgroup ? raw::Call(SYS_unshare, CLONE_NEWCGROUP) : 0;
}

// The agent has every signal blocked and none ignored, so an empty mask is all that is missing. One
// without a program gets it together with its wait.
long UnblockSignals(Child* child) {
  const uint64_t mask = child->waits() ? ~uint64_t{0} : 0;
  return raw::Call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof(mask));
}

// All but 0-2 and the plan's: the rest belongs to the agent and other sessions.
long CloseOthers(Child* child) {
  int kept[kMaxChildFds];
  return CloseAllBut(3, kept, FdsOf(child->plan, kept));
}

// In a table of the child's own, and before a limit of open files is in force.
long PlaceAllFds(Child* child) {
  const ChildPlan& plan = child->plan;
  Child::Held& held = child->held;
  int moving[] = {held.channel, held.stdio[0], held.stdio[1], held.stdio[2]};
  int32_t failed = 0;
  const long rc = PlaceFds(plan.fds, plan.fd_count, moving, 4, &failed);
  held = {moving[0], {moving[1], moving[2], moving[3]}};
  if (rc < 0) Fail(held.channel, Stage::fds, rc, failed);
  return 0;
}

// Of its own session a workload can neither signal the agent's process group nor type into a
// terminal that it inherited (TIOCSTI wants the controlling terminal).
long NewSession(Child*) {
  const long rc = raw::Call(SYS_setsid);
  return rc < 0 ? rc : 0;
}

// The agent's session keyring is fresh and empty; a workload gets one of its own besides. Keys
// count against a quota (200 for an ordinary user, keyrings(7)): past it the agent's is kept.
long NewKeyring(Child*) {
  const long rc = raw::Call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  return rc == -EDQUOT || rc == -ENOSYS || rc > 0 ? 0 : rc;
}

long DieWithParent(const Child& child) {
  const long rc = Prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (rc < 0) return rc;
  // A parent that died before the call above sends nothing. The channel tells where getppid() is 0.
  const pid_t parent = child.plan.parent;
  if (parent != 0 && raw::Call(SYS_getppid) != parent) raw::Exit(kNotReached);
  struct pollfd channel = {child.held.channel, 0, 0};
  const struct timespec now = {};
  raw::Call(SYS_ppoll, &channel, 1, &now, nullptr, 0);
  if ((channel.revents & (POLLHUP | POLLERR)) != 0) raw::Exit(kNotReached);
  return 0;
}

long ArmDeathSignal(Child* child) { return DieWithParent(*child); }

// Credential changes clear it. A workload that may outlive its parent keeps none from here on.
long RearmDeathSignal(Child* child) {
  if (child->plan.outlives_parent) return Prctl(PR_SET_PDEATHSIG, 0);
  return child->changes_ids() || child->plan.mounts.user_namespace ? DieWithParent(*child) : 0;
}

// Parked children are out of reach of ptrace and /proc/PID/mem. Not so where an ordinary user must
// write the maps of a fresh user namespace: /proc/PID/uid_map of a non-dumpable process is root's.
long SetDumpable(Child* child) { return child->plan.dumpable ? Prctl(PR_SET_DUMPABLE, 1) : 0; }

// From here on nobody has maps to write.
long ClearDumpable(Child* child) { return child->plan.dumpable ? Prctl(PR_SET_DUMPABLE, 0) : 0; }

long SetNoNewPrivs(Child* child) {
  return child->plan.no_new_privs ? Prctl(PR_SET_NO_NEW_PRIVS, 1) : 0;
}

long ReportReady(Child* child) {
  Report report = {};
  report.kind = Report::Kind::ready;
  report.pid = static_cast<int32_t>(raw::Call(SYS_getpid));
  const long rc = raw::Call(SYS_write, child->held.channel, &report, sizeof(report));
  return rc < 0 ? rc : 0;
}

// Parked. The agent's end of the channel closing means that nobody is left to say proceed.
void ServeCheckpoint(Child* child) {
  alignas(8) char record[sizeof(Order) + kMaxFilterBytes];
  for (;;) {
    int passed = -1;
    const long n = ReceiveRecord(child->held.channel, record, sizeof(record), &passed, 0);
    if (n == -EINTR) continue;
    if (n < static_cast<long>(sizeof(Order))) raw::Exit(kNotReached);
    Order order;
    std::memcpy(&order, record, sizeof(order));
    if (order.kind == Order::Kind::proceed) return;
    if (order.kind == Order::Kind::mount_tree) {
      const long taken = TakeTree(child->plan.mounts, order.mask[0], passed);
      if (taken < 0) Fail(child->held.channel, Stage::mount, taken);
      continue;
    }
    OrderFailure failed;
    const long rc = child->orders.Take(record, static_cast<size_t>(n), &failed);
    if (rc < 0) Fail(child->held.channel, failed.stage, rc, failed.element);
  }
}

long MakeAllMounts(Child* child) {
  MountFailure failed;
  const long rc = MakeMounts(child->plan.mounts, &failed);
  if (rc < 0) Fail(child->held.channel, failed.stage, rc, failed.element);
  return 0;
}

long SetAllRlimits(Child* child) {
  RlimitName failed;
  const long rc = SetRlimits(child->plan.limits, &failed);
  if (rc < 0) Fail(child->held.channel, Stage::rlimits, rc, static_cast<int32_t>(failed));
  return 0;
}

long DropBoundingSet(Child* child) { return child->waits() ? DropWholeBoundingSet() : 0; }

bool MaySetGroups() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  return raw::Call(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_SETGID & 1) != 0;
}

// Before setgid and setuid: afterwards the groups can no longer change.
long SetGroups(Child* child) {
  const ChildPlan& plan = child->plan;
  if (!plan.set_groups) return 0;
  if (plan.groups_optional && raw::Call(SYS_getgroups, 0, nullptr) == 0) return 0;
  const long rc = raw::Call(SYS_setgroups, plan.group_count, plan.groups);
  // user_namespaces(7): an unprivileged owner had to deny setgroups before it could map a gid. Then
  // it is EPERM even with the capability; without it the new uid would keep groups that it lost.
  return rc == -EPERM && plan.groups_optional && MaySetGroups() ? 0 : rc;
}

// The kernel says EINVAL of an id that the user namespace does not map.
long Unless(bool optional, long rc) { return rc == -EINVAL && optional ? 0 : rc; }

long SetGid(Child* child) {
  const uint32_t gid = child->plan.gid;
  if (!child->plan.set_gid) return 0;
  return Unless(child->plan.ids_optional, raw::Call(SYS_setresgid, gid, gid, gid));
}

// Orders that wait need the permitted set to outlive the old ones.
long SetUid(Child* child) {
  const uint32_t uid = child->plan.uid;
  if (!child->plan.set_uid) return 0;
  if (child->orders.has_caps()) {
    const long rc = Prctl(PR_SET_KEEPCAPS, 1);
    if (rc < 0) return rc;
  }
  return Unless(child->plan.ids_optional, raw::Call(SYS_setresuid, uid, uid, uid));
}

// One step, but the stage is that of the order which failed.
long ApplyDeferredCaps(Child* child) {
  OrderFailure failed;
  const long rc = child->orders.ApplyCaps(&failed);
  if (rc < 0) Fail(child->held.channel, failed.stage, rc, failed.element);
  return 0;
}

// Without CAP_SYS_ADMIN the kernel takes no rules from anybody else.
long LandlockNeedsNoNewPrivs(Child* child) {
  return child->plan.landlock.wanted ? Prctl(PR_SET_NO_NEW_PRIVS, 1) : 0;
}

long RestrictByLandlock(Child* child) {
  int32_t element;
  const long rc = Restrict(child->plan.landlock, &element);
  if (rc < 0) Fail(child->held.channel, Stage::landlock, rc, element);
  return 0;
}

long SetStdio(Child* child) {
  const Child::Held& held = child->held;
  if (child->plan.controlling_tty) {
    const long rc = raw::Call(SYS_ioctl, held.stdio[0], TIOCSCTTY, 0);
    if (rc < 0) return rc;
  }
  for (int fd = 0; fd < 3; ++fd) {
    if (held.stdio[fd] < 0) continue;
    const long rc = raw::Call(SYS_dup3, held.stdio[fd], fd, 0);
    if (rc < 0) return rc;
  }
  return 0;
}

// A cwd that came through a directory fd of the host would be outside the root: the kernel shows
// it as "(unreachable)...".
long ChangeDirectory(Child* child) {
  if (child->plan.cwd != nullptr) {
    const long rc = raw::Call(SYS_chdir, child->plan.cwd);
    if (rc < 0) return rc;
  } else if (!child->plan.check_cwd) {
    return 0;
  }
  char path[4096];
  const long n = raw::Call(SYS_getcwd, path, sizeof(path));
  if (n < 0) return n;
  return path[0] == '/' ? 0 : -ENOENT;
}

// A filter may deny the report of a failing execve, so what can be known is found out before it.
long CheckExecutable(Child* child) {
  if (child->waits() || !child->orders.has_filters()) return 0;
  return raw::Call(SYS_faccessat, AT_FDCWD, child->plan.path, 1 /* X_OK */);
}

long FiltersNeedNoNewPrivs(Child* child) {
  return child->orders.has_filters() ? Prctl(PR_SET_NO_NEW_PRIVS, 1) : 0;
}

long InstallFilters(Child* child) {
  int32_t failed;
  const long rc = child->orders.InstallFilters(child->held.channel, &failed);
  if (rc < 0) Fail(child->held.channel, Stage::seccomp_install, rc, failed);
  return 0;
}

long WaitInstead(Child* child) {
  if (child->waits()) Wait(child->plan.title, child->plan.channel);
  return 0;
}

long Exec(Child* child) {
  return raw::Call(SYS_execve, child->plan.path, child->plan.argv, child->plan.envp);
}

// One that stands by does the first of these ahead of its plan, and has no need of the second.
constexpr Step kApart[] = {
    {Stage::clone, FreshTime},          {Stage::clone, FreshCgroup},
    {Stage::signals, UnblockSignals},   {Stage::close_range, CloseOthers},
    {Stage::setsid, NewSession},        {Stage::keyring, NewKeyring},
    {Stage::pdeathsig, ArmDeathSignal},
};

constexpr Step kUntilReady[] = {
    {Stage::fds, PlaceAllFds},
    {Stage::dumpable, SetDumpable},
    {Stage::no_new_privs, SetNoNewPrivs},
    {Stage::ready_frame, ReportReady},
};

// A step that is wholly its facility's.
template <auto kPart, auto kRun>
constexpr auto kOf = [](Child* child) { return kRun(child->plan.*kPart); };

constexpr Step kAfterProceed[] = {
    {Stage::dumpable, ClearDumpable},
    {Stage::time_offsets, kOf<&ChildPlan::surroundings, SetTimeOffsets>},
    {Stage::hostname, kOf<&ChildPlan::surroundings, SetHostname>},
    {Stage::domainname, kOf<&ChildPlan::surroundings, SetDomainname>},
    {Stage::loopback, kOf<&ChildPlan::surroundings, RaiseLoopback>},
    {Stage::oom_score_adj, kOf<&ChildPlan::surroundings, SetOomScoreAdj>},
    {Stage::mount, MakeAllMounts},
    {Stage::rlimits, SetAllRlimits},
    {Stage::nice, kOf<&ChildPlan::limits, SetNice>},
    {Stage::cpus, kOf<&ChildPlan::limits, SetCpus>},
    {Stage::umask, kOf<&ChildPlan::limits, SetUmask>},
    {Stage::wait, DropBoundingSet},
    {Stage::groups, SetGroups},
    {Stage::gid, SetGid},
    {Stage::uid, SetUid},
    {Stage::pdeathsig, RearmDeathSignal},
    {Stage::cap_set_thread, ApplyDeferredCaps},
    {Stage::no_new_privs, LandlockNeedsNoNewPrivs},
    {Stage::landlock, RestrictByLandlock},
    {Stage::stdio, SetStdio},
    {Stage::chdir, ChangeDirectory},
    {Stage::execve, CheckExecutable},
    {Stage::seccomp_no_new_privs, FiltersNeedNoNewPrivs},
    {Stage::seccomp_install, InstallFilters},
    {Stage::wait, WaitInstead},
    {Stage::execve, Exec},
};

template <size_t kCount>
void RunSteps(Child* child, const Step (&steps)[kCount]) {
  for (const Step& step : steps) {
    const long rc = step.run(child);
    if (rc < 0) Fail(child->held.channel, step.stage, rc);
  }
}

[[noreturn]] void RunFromCheckpoint(Child* child) {
  if (!child->plan.auto_proceed) ServeCheckpoint(child);
  RunSteps(child, kAfterProceed);
  raw::Exit(kNotReached);
}

void SetName(const char* name) { Prctl(PR_SET_NAME, reinterpret_cast<unsigned long>(name)); }

}  // namespace

size_t FdsOf(const ChildPlan& plan, int* out) {
  size_t count = 0;
  out[count++] = plan.channel;
  for (const int fd : plan.stdio) out[count++] = fd;
  for (size_t i = 0; i < plan.fd_count; ++i) out[count++] = plan.fds[i].source;
  return count;
}

void RunChild(const ChildPlan& plan) {
  Child child(plan);
  SetName("linx_child");
  RunSteps(&child, kApart);
  RunSteps(&child, kUntilReady);
  RunFromCheckpoint(&child);
}

void RunStandby(int channel, PlanImage* image) {
  ChildPlan none;
  none.channel = channel;
  Child idle(none);
  SetName(kIdleName);
  RunSteps(&idle, kApart);
  const ChildPlan* plan = ReceiveChildPlan(channel, image);
  if (plan == nullptr) raw::Exit(0);
  Child child(*plan);
  SetName("linx_child");
  RunFromCheckpoint(&child);
}

}  // namespace linx
