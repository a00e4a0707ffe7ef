#include "init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "channel.h"
#include "clone.h"
#include "close_fds.h"
#include "descendants.h"
#include "guard.h"
#include "handover.h"
#include "proc_stat.h"
#include "raw_syscall.h"
#include "usage.h"
#include "waiting.h"

namespace linx {
namespace {

// How long the dying get before another pass looks for what forked meanwhile or is frozen.
constexpr struct timespec kPass = {0, 20'000'000};

constexpr size_t kSharedStack = 64 << 10;

constexpr char kName[] = "linx_init";

struct Init {
  InitPlan plan;  // the workload may run from it for a while, sharing this memory
  int signals;
  int workload_pidfd = -1;
  pid_t workload = 0;
  bool agent_gone = false;
  bool killing = false;  // the agent said so
  bool forked = false;   // the session goes on without its workload
  bool ended = false;
  siginfo_t end = {};
  uint64_t end_us = 0;
  Usage usage;
  bool execed = false;

  explicit Init(const InitPlan& p, int signal_fd = -1) : plan(p), signals(signal_fd) {}
};

int EnterChild(void* plan) { RunChild(*static_cast<const ChildPlan*>(plan)); }

[[noreturn]] void Fail(const Init& init, Stage stage, long code) {
  ReportFailure(init.plan.channel, stage, code);
}

// First of all: until then the fds are shared with the agent, which must not see new ones.
long CloseOthers(const InitPlan& plan) {
  int kept[3 + kMaxChildFds] = {plan.channel, plan.proc_fd, plan.cgroup};
  return CloseAllBut(3, kept, 3 + FdsOf(plan.child, kept + 3));
}

void OpenSignals(Init* init) {
  const uint64_t chld = 1ull << (SIGCHLD - 1);
  const long fd = raw::Call(SYS_signalfd4, -1, &chld, sizeof(chld), SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) Fail(*init, Stage::signalfd, fd);
  init->signals = static_cast<int>(fd);
}

// `stack` lives as long as the init does.
void LaunchWorkload(Init* init, char* stack) {
  ChildPlan& child = init->plan.child;
  child.parent = static_cast<pid_t>(raw::Call(SYS_getpid));
  long made;
  if (init->plan.share_memory) {
    made = CloneSharing(0, EnterChild, &child, stack, kSharedStack, &init->workload_pidfd);
  } else {
    made = Fork(init->plan.workload_flags, &init->workload_pidfd, init->plan.cgroup);
    if (made == 0) RunChild(child);
  }
  if (made < 0) Fail(*init, ForkStage(made, init->plan.cgroup), made);
  init->workload = static_cast<pid_t>(made);

  Report report = {};
  report.kind = Report::Kind::launched;
  report.pid =
      init->plan.foreign_pids ? PidOf(init->plan.proc_fd, init->workload_pidfd) : init->workload;
  const long sent = SendReport(init->plan.channel, report, init->workload_pidfd);
  if (sent < 0) init->agent_gone = true;
}

// The workload is dead and not yet reaped, so its stat still tells whether its end met it before or
// after exec. It is read only where both are possible.
bool GotThere(const Init& init, const siginfo_t& end) {
  if (init.plan.child.title != nullptr) return EndedWaiting(end.si_code, end.si_status);
  if (end.si_code == CLD_EXITED && end.si_status != kNotReached) return true;
  ProcStat stat;
  const int proc = init.plan.proc_fd;
  return ReadProcStat(proc, PidOf(proc, init.workload_pidfd), &stat) && stat.execed();
}

void NoteEnd(Init* init, const siginfo_t& end, const struct rusage& use) {
  init->execed = init->forked || GotThere(*init, end);
  init->end = end;
  init->end_us = MonotonicUs();
  init->usage = UsageOf(use, end.si_code);
  init->ended = true;
}

// Of a session that goes on without its workload the end is that of the last one.
bool IsToBeTold(const Init& init, pid_t dead) {
  return init.forked || (!init.ended && dead == init.workload);
}

// Reaps whatever has died. False when no child is left.
bool Reap(Init* init) {
  for (;;) {
    siginfo_t info = {};
    struct rusage use = {};
    const long rc = raw::Call(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, &use);
    if (rc == -ECHILD) return false;
    if (rc < 0 || info.si_pid == 0) return true;
    const pid_t dead = info.si_pid;
    if (IsToBeTold(*init, dead)) NoteEnd(init, info, use);
    raw::Call(SYS_waitid, P_PID, dead, &info, WEXITED | WNOHANG, nullptr);
  }
}

// Once the workload is gone its signals are for those whom it left to the init.
void TakeOrder(Init* init) {
  InitOrder order;
  int fd = -1;
  const long n = ReceiveRecord(init->plan.channel, &order, sizeof(order), &fd, MSG_DONTWAIT);
  if (n == -EAGAIN || n == -EINTR) return;
  if (n != static_cast<long>(sizeof(order))) {
    init->agent_gone = true;
  } else if (order.signal == SIGKILL) {
    init->killing = true;
  } else {
    SignalChildren(init->plan.proc_fd, order.signal);
  }
}

// Until a child dies, the agent says something or its end closes, or `timeout` is over (null: no
// limit).
void Await(Init* init, const struct timespec* timeout) {
  struct pollfd fds[2] = {{init->signals, POLLIN, 0},
                          {init->agent_gone ? -1 : init->plan.channel, POLLIN, 0}};
  struct timespec left = timeout != nullptr ? *timeout : timespec{};
  raw::Call(SYS_ppoll, fds, 2, timeout != nullptr ? &left : nullptr, nullptr, 0);
  if (fds[0].revents != 0) {
    struct signalfd_siginfo info;
    raw::Call(SYS_read, init->signals, &info, sizeof(info));
  }
  if (fds[1].revents != 0) TakeOrder(init);
}

// PID 1 reaches its whole namespace in one call, but cannot thaw.
void KillTheRest(Init* init) {
  for (bool first = true; Reap(init); first = false) {
    if (init->plan.pid_one) raw::Call(SYS_kill, -1, SIGKILL);
    if (!init->plan.pid_one || !first) KillDescendants(init->plan.proc_fd, Spare{});
    Await(init, &kPass);
  }
}

void ReportEnd(const Init& init) {
  Report report = {};
  report.kind = Report::Kind::ended;
  report.end_code = init.end.si_code;
  report.end_status = init.end.si_status;
  report.execed = init.execed ? 1 : 0;
  report.ended_us = MonotonicUs() - init.end_us;
  report.usage = init.usage;
  SendReport(init.plan.channel, report, -1);
}

// The workload's stdio and channel are the workload's alone: nobody waits for our copies to close.
void KeepOwnFds(const Init& init) {
  const InitPlan& plan = init.plan;
  int kept[] = {plan.channel, plan.proc_fd, init.signals, init.workload_pidfd};
  CloseAllBut(plan.image.base != nullptr ? 3 : 0, kept, 4);
}

void SetName(const char* name) { raw::Call(SYS_prctl, PR_SET_NAME, name, 0, 0, 0); }

// The fds that come with a plan must not take the numbers to which they are to be copied.
const InitPlan* AwaitPlan(const InitPlan& last) {
  for (int fd = 0; fd < 3; ++fd) raw::Call(SYS_dup3, last.proc_fd, fd, O_CLOEXEC);
  const InitPlan* plan = ReceiveInitPlan(last.channel, last.image);
  SetName(kName);
  return plan;
}

// A daemon that goes to the background by itself, as its first process said by exiting with 0.
void GoOnWithout(Init* init) {
  init->forked = true;
  Report report = {};
  report.kind = Report::Kind::forked;
  SendReport(init->plan.channel, report, -1);
}

// Until all that the session is about is dead, or is to be killed.
void Await(Init* init) {
  for (bool left = true; !init->ended || (init->forked && left);) {
    if (init->killing || (init->agent_gone && !init->plan.linger)) return;
    Await(init, nullptr);
    left = Reap(init);
    const bool exited = init->ended && init->end.si_code == CLD_EXITED && init->end.si_status == 0;
    if (exited && left && init->plan.forking && !init->forked) GoOnWithout(init);
  }
}

// One session, from the making of the workload to the word that nothing of it is left.
void Serve(Init* init, char* stack) {
  LaunchWorkload(init, stack);
  KeepOwnFds(*init);
  Await(init);
  KillTheRest(init);
  raw::Call(SYS_close, init->workload_pidfd);
  // The next session is to find nothing of this one's.
  const PlanImage& image = init->plan.image;
  if (image.base != nullptr) {
    explicit_bzero(image.base, image.used);
    SetName(kIdleName);
  }
  ReportEnd(*init);
}

}  // namespace

void RunInit(const InitPlan& plan) {
  Init init(plan);
  alignas(16) char stack[kSharedStack];
  SetName(kName);
  const long closed = CloseOthers(plan);
  if (closed < 0) Fail(init, Stage::close_range, closed);
  if (plan.foreign_pids && !plan.pid_one) {
    const long guarded = StandGuardOverInit(plan.proc_fd);
    if (guarded < 0) Fail(init, Stage::fork, guarded);
  }
  if (!plan.pid_one) raw::Call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  // One that was stopped must see its agent's end.
  raw::Call(SYS_prctl, PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
  OpenSignals(&init);
  Serve(&init, stack);
  while (init.plan.image.base != nullptr) {
    const InitPlan* next = AwaitPlan(init.plan);
    if (next == nullptr) break;
    init = Init(*next, init.signals);
    Serve(&init, stack);
  }
  raw::Exit(0);
}

void ReportFailure(int channel, Stage stage, long code) {
  Report report = {};
  report.kind = Report::Kind::failed;
  report.stage = stage;
  report.code = static_cast<int32_t>(-code);
  SendReport(channel, report, -1);
  raw::Exit(kNotReached);
}

long SendReport(int channel, const Report& report, int fd) {
  return SendRecord(channel, &report, sizeof(report), fd, 0);
}

}  // namespace linx
