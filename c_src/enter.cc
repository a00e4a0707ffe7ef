#include "enter.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "channel.h"
#include "clone.h"
#include "pidfd.h"
#include "proc_stat.h"
#include "raw_syscall.h"

namespace linx {
namespace {

struct JoinableNamespace {
  uint64_t flag;
  const char* link;  // below /proc/PID/ns
  Stage open;
  Stage join;
};

// In the order in which setns(2) joins a set: the user namespace gives the right to the others.
constexpr JoinableNamespace kNamespaces[] = {
    {CLONE_NEWUSER, "user", Stage::open_ns_user, Stage::setns_user},
    {CLONE_NEWNS, "mnt", Stage::open_ns_mount, Stage::setns_mount},
    {CLONE_NEWUTS, "uts", Stage::open_ns_uts, Stage::setns_uts},
    {CLONE_NEWIPC, "ipc", Stage::open_ns_ipc, Stage::setns_ipc},
    {CLONE_NEWPID, "pid", Stage::open_ns_pid, Stage::setns_pid},
    {CLONE_NEWCGROUP, "cgroup", Stage::open_ns_cgroup, Stage::setns_cgroup},
    {CLONE_NEWNET, "net", Stage::open_ns_net, Stage::setns_net},
    {CLONE_NEWTIME, "time", Stage::open_ns_time, Stage::setns_time},
};

[[noreturn]] void Fail(const EnterPlan& plan, Stage stage, long code) {
  ReportFailure(plan.init.channel, stage, code);
}

// All or none: never a mix of two processes' namespaces. Where the kernel refuses the set, each one
// is tried alone, in this process that is of no more use, to name the culprit.
void Join(const EnterPlan& plan) {
  if (plan.namespaces == 0) {
    // It shares all that was wanted; but who is gone is not entered.
    if (HasExited(plan.target_pidfd)) Fail(plan, Stage::open_target, -ESRCH);
    return;
  }
  const long rc = raw::Call(SYS_setns, plan.target_pidfd, plan.namespaces);
  if (rc == 0) return;
  if (rc != -ESRCH) {
    for (const JoinableNamespace& ns : kNamespaces) {
      if ((plan.namespaces & ns.flag) == 0) continue;
      const long alone = raw::Call(SYS_setns, plan.target_pidfd, ns.flag);
      if (alone < 0) Fail(plan, ns.join, alone);
    }
  }
  Fail(plan, Stage::setns, rc);
}

// An id that the joined user namespace does not map owns the host's files and nothing inside. Where
// the caller named none, the workload becomes the namespace's root, if that is mapped.
void BecomeMapped(EnterPlan* plan) {
  ChildPlan& child = plan->init.child;
  if ((plan->namespaces & CLONE_NEWUSER) == 0 || child.set_uid || child.set_gid) return;
  child.ids_optional = true;
  child.set_uid = raw::Call(SYS_getuid) == plan->overflow_uid;
  child.set_gid = raw::Call(SYS_getgid) == plan->overflow_uid;
  if (child.set_uid || child.set_gid) child.set_groups = true;
}

// Waits for the end of the process that holds the other ends of `gate`, a pipe.
void PassGate(const int (&gate)[2]) {
  raw::Call(SYS_close, gate[1]);
  char nothing;
  while (raw::Call(SYS_read, gate[0], &nothing, 1) == -EINTR) {
  }
  raw::Call(SYS_close, gate[0]);
}

}  // namespace

Result<UniqueFd> OpenTarget(pid_t pid) {
  const long fd = raw::Call(SYS_pidfd_open, pid, 0);
  if (fd < 0) return Error::Of(Stage::open_target, static_cast<int>(-fd), std::to_string(pid));
  return UniqueFd(static_cast<int>(fd));
}

Result<uint64_t> NamespacesToJoin(int proc_fd, int target_pidfd, const Plan& plan) {
  const pid_t pid = PidOf(proc_fd, target_pidfd);
  const Error gone = Error::Of(Stage::open_target, ESRCH);
  if (pid == 0 || HasExited(target_pidfd)) return gone;
  uint64_t join = 0;
  for (const JoinableNamespace& ns : kNamespaces) {
    if (!plan.all_namespaces && (plan.namespaces & ns.flag) == 0) continue;
    const std::string name = std::string("/ns/") + ns.link;
    struct stat theirs, ours;
    // Not one that this kernel lacks.
    if (fstatat(proc_fd, ("self" + name).c_str(), &ours, 0) < 0) {
      if (plan.all_namespaces) continue;
      return Error::Last(ns.open);
    }
    if (fstatat(proc_fd, (std::to_string(pid) + name).c_str(), &theirs, 0) < 0) {
      const Error error = Error::Last(ns.open);
      return HasExited(target_pidfd) ? gone : error;
    }
    if (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev) join |= ns.flag;
  }
  // Alive after the last look: so the pid meant the target all along.
  if (HasExited(target_pidfd)) return gone;
  return join;
}

void RunEnterHelper(EnterPlan* plan) {
  raw::Call(SYS_prctl, PR_SET_NAME, "linx_enter", 0, 0, 0);
  Join(*plan);
  BecomeMapped(plan);
  int gate[2] = {-1, -1};
  if (plan->with_init) {
    const long rc = raw::Call(SYS_pipe2, gate, O_CLOEXEC);
    if (rc < 0) Fail(*plan, Stage::pipe2, rc);
  }
  int pidfd = -1;
  const long made = Fork(CLONE_PARENT, &pidfd);
  if (made == 0) {
    if (!plan->with_init) RunChild(plan->init.child);
    // An init speaks on the helper's channel: what it has made comes after itself.
    PassGate(gate);
    RunInit(plan->init);
  }
  if (made < 0) Fail(*plan, Stage::fork, made);
  Report report = {};
  report.kind = plan->with_init ? Report::Kind::init_launched : Report::Kind::launched;
  report.pid = static_cast<int32_t>(made);
  SendReport(plan->init.channel, report, pidfd);
  raw::Exit(0);
}

}  // namespace linx
