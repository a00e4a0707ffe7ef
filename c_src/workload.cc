#include "workload.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "descendants.h"
#include "pidfd.h"
#include "proc_stat.h"
#include "reports.h"
#include "strays.h"
#include "waiting.h"

namespace linx {
namespace {

constexpr uint32_t kKillTickMs = 100;
// An init that has not finished by then is stopped, starved or worse.
constexpr int kInitTicks = 20;

// Of a helper or init: it said why it could make nothing.
bool GaveUp(const siginfo_t& info) {
  return info.si_code == CLD_EXITED && info.si_status == kNotReached;
}

End EndOf(int code, int status, bool execed, uint64_t at_us, const Usage& usage) {
  return {code == CLD_EXITED ? End::Kind::exited : End::Kind::signaled, status, execed, at_us,
          usage};
}

}  // namespace

Workload::~Workload() { CloseChannel(); }

bool Workload::Watch(EventLoop::Watch* watch, int fd, Handler handler) {
  Result<EventLoop::Watch> added = context_.loop.Add(fd, EPOLLIN, handler);
  if (added.ok()) {
    *watch = added.Take();
    return true;
  }
  Fail(added.error());
  Kill();
  return false;
}

void Workload::Start(Launched launched) {
  started_ = true;
  channel_ = std::move(launched.channel);
  control_ = std::move(launched.control);
  shared_ = std::move(launched.shared);
  nursery_ = launched.nursery;
  lent_ = std::move(launched.lent);
  image_ = launched.image;
  waits_ = launched.waits;
  Offspring process = std::move(launched.process);
  switch (launched.direct) {
    case Launched::Direct::workload:
      TakeWorkload(std::move(process.pidfd), process.pid);
      if (nursery_ != 0 && !failed_) listener_->OnReady(process.pid);
      return;
    case Launched::Direct::init:
      TakeInit(std::move(process.pidfd), process.pid);
      break;
    case Launched::Direct::helper:
      helper_ = std::move(process);
      context_.launcher.BeginEnter();
      if (!Watch(&helper_watch_, helper_.pidfd.get(), Handler::To<&Workload::OnExit>(this))) return;
      break;
  }
  Watch(&control_watch_, control_.get(), Handler::To<&Workload::OnControl>(this));
}

void Workload::TakeInit(UniqueFd pidfd, pid_t pid) {
  has_init_ = true;
  init_ = {std::move(pidfd), pid};
  context_.launcher.Adopt(pid);
  if (Watch(&init_watch_, init_.pidfd.get(), Handler::To<&Workload::OnExit>(this)) && killing_) {
    Kill();
  }
}

// The channel is heard from here on only, so that `ready` never comes before `spawned`.
void Workload::TakeWorkload(UniqueFd pidfd, pid_t pid) {
  workload_ = std::move(pidfd);
  host_pid_ = pid;
  // Below an init, too: it is the agent's child as soon as the init is dead.
  context_.launcher.Adopt(pid);
  listener_->OnSpawned(pid);
  if (!Watch(&channel_watch_, channel_.get(), Handler::To<&Workload::OnChannel>(this))) return;
  // Below an init the end is the init's to tell.
  if (!has_init_ &&
      !Watch(&workload_watch_, workload_.get(), Handler::To<&Workload::OnExit>(this))) {
    return;
  }
  if (killing_) Kill();
  FlushOrders();
}

void Workload::Order(std::string record, UniqueFd passed) {
  // A filter, which the child keeps in memory that it maps.
  spent_ = spent_ || record.size() > sizeof(struct Order);
  orders_.emplace_back(std::move(record), std::move(passed));
  if (workload_) FlushOrders();
}

void Workload::FlushOrders() {
  while (!orders_.empty() && channel_) {
    const auto& [record, passed] = orders_.front();
    const long sent =
        SendRecord(channel_.get(), record.data(), record.size(), passed.get(), MSG_DONTWAIT);
    if (sent == -EAGAIN) break;
    orders_.pop_front();  // sent, or nobody is left to read it
  }
  channel_watch_.Want(orders_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void Workload::Signal(int number) {
  if (workload_) SendSignal(workload_.get(), number);
  if (forked_) number == SIGKILL ? Kill() : OrderInit(number);
}

// It does not serve again: what it leaves unread it would take for the next plan.
void Workload::OrderInit(int number) {
  image_ = nullptr;
  const InitOrder order = {number};
  SendRecord(control_.get(), &order, sizeof(order), -1, MSG_DONTWAIT);
}

bool Workload::IgnoresTerm() const {
  return workload_ && LosesSignal(context_.launcher.proc_fd(), host_pid_, SIGTERM);
}

void Workload::Kill() {
  if (finished_) return;
  killing_ = true;
  if (workload_) {
    SendSignal(workload_.get(), SIGKILL);
  } else if (forked_ && control_) {
    OrderInit(SIGKILL);
  } else {
    // Whatever they have made and not yet announced finds its channel shut and exits. It may be
    // past that, and nobody else can tell then how it ended: they have until the next tick.
    shutdown(channel_.get(), SHUT_RDWR);
    if (kill_ticks_ > 0) KillMakers();
  }
  if (!kill_timer_) {
    kill_timer_ = context_.loop.After(kKillTickMs, Handler::To<&Workload::OnKillTick>(this));
  }
}

void Workload::KillMakers() {
  if (helper_.pidfd) SendSignal(helper_.pidfd.get(), SIGKILL);
  KillInit();
}

// It will not serve again, even where it has said its last word before it dies.
void Workload::KillInit() {
  if (!init_.pidfd) return;
  image_ = nullptr;
  SendSignal(init_.pidfd.get(), SIGKILL);
}

void Workload::OnKillTick() {
  if (!Settle()) return;
  for (const pid_t pid : {host_pid_, init_.pid}) {
    if (pid != 0) ThawFreezer(context_.launcher.proc_fd(), pid);
  }
  if (++kill_ticks_ >= kInitTicks) {
    KillInit();
  } else if (init_.pidfd) {
    SendSignal(init_.pidfd.get(), SIGCONT);
  }
  Kill();
}

void Workload::Fail(const Error& error, int32_t element) {
  if (failed_ || running_) return;
  failed_ = true;
  listener_->OnFailed(error, element);
}

void Workload::SayRunning() {
  if (running_ || failed_) return;
  running_ = true;
  listener_->OnRunning();
}

// Its number may be another's soon.
void Workload::GoOnWithout() {
  DrainChannel();
  SayRunning();
  if (!running_) return;
  forked_ = true;
  workload_.Reset();
  context_.launcher.Forget(std::exchange(host_pid_, 0));
  listener_->OnForked();
  if (killing_) Kill();
}

void Workload::Take(const Report& report, UniqueFd fd) {
  lent_ = {};
  switch (report.kind) {
    case Report::Kind::failed:
      Fail(Error::Of(report.stage, report.code), report.element);
      break;
    case Report::Kind::ready:
      // Of one whose init was killed before it could announce it nothing is told.
      if (workload_) listener_->OnReady(report.pid);
      break;
    case Report::Kind::init_launched:
      TakeInit(std::move(fd), report.pid);
      break;
    case Report::Kind::launched:
      TakeWorkload(std::move(fd), report.pid);
      break;
    case Report::Kind::forked:
      GoOnWithout();
      break;
    case Report::Kind::ended:
      end_ = EndOf(report.end_code, report.end_status, report.execed != 0,
                   MonotonicUs() - report.ended_us, report.usage);
      break;
    case Report::Kind::listening:
      if (fd) listener_->OnListening(std::move(fd));
      break;
  }
}

void Workload::DrainControl() {
  while (control_) {
    Report report;
    UniqueFd fd;
    const Got got = ReceiveReport(control_.get(), &report, &fd);
    if (got == Got::message) Take(report, std::move(fd));
    if (got == Got::closed) {
      control_watch_.Reset();
      control_.Reset();
    }
    if (got != Got::message) return;
  }
}

void Workload::DrainChannel() {
  while (channel_) {
    Report report;
    UniqueFd fd;
    const Got got = ReceiveReport(channel_.get(), &report, &fd);
    if (got == Got::message) Take(report, std::move(fd));
    if (got == Got::closed) CloseChannel();
    if (got != Got::message) return;
  }
}

void Workload::CloseChannel() {
  channel_watch_.Reset();
  channel_.Reset();
  context_.launcher.Recycle(std::move(shared_));
  if (nursery_ != 0) context_.launcher.Recycle(std::exchange(nursery_, 0), spent_);
}

void Workload::OnControl() {
  DrainControl();
  // An init that says no more is dead, or dying and waiting for what is frozen.
  if (has_init_ && !control_ && !end_) Kill();
  if (end_ || !control_) Settle();
}

void Workload::OnChannel() {
  FlushOrders();
  DrainChannel();
  if (channel_) return;
  // Exec'd or dead; of the dead the wait says more.
  if (Settle()) CheckExec();
}

// The channel's end alone is no proof of exec, nor of a wait in its place. A process that an init
// reaped meanwhile is not here any more; then the init says how far it got.
void Workload::CheckExec() {
  if (running_ || failed_ || end_ || !workload_) return;
  ProcStat stat;
  if (!ReadProcStat(context_.launcher.proc_fd(), host_pid_, &stat)) return;
  if (waits_ ? stat.exiting() : !stat.execed()) return;
  // Still not reaped after the look, so it was this process that was looked at.
  if (SendSignal(workload_.get(), 0) == 0) SayRunning();
}

void Workload::OnExit() { Settle(); }

bool Workload::Settle() {
  // Another event of the turn in which it ended.
  if (finished_) return false;
  if (!SettleHelper()) return true;
  if (!(has_init_ ? SettleInit() : SettleWorkload())) return true;
  if (lost_ && KillStrays(context_.launcher)) return true;
  DrainChannel();
  if (end_->execed) SayRunning();
  finished_ = true;
  context_.launcher.Forget(host_pid_);
  kill_timer_.Reset();
  listener_->OnEnd(*end_);
  return false;
}

// Each Settle* answers whether its process is out of the way.
bool Workload::SettleHelper() {
  if (helper_.pid == 0) return true;
  siginfo_t info;
  if (WaitFor(helper_.pidfd.get(), &info, 0) == 0) return false;
  DrainControl();
  helper_watch_.Reset();
  context_.launcher.Forget(helper_.pid);
  context_.launcher.EndEnter();
  helper_ = {};
  if (!has_init_ && !workload_) {
    if (!killing_) Fail(Error::Of(Stage::fork, ECHILD));
    end_ = End{};
    if (!GaveUp(info)) Lose();
  }
  return true;
}

// One that has said its last word has nothing left to do. It serves again, or where it cannot, its
// channel's end ends it. False where it must be awaited.
bool Workload::DismissInit() {
  if (!end_ || !control_) return false;
  control_watch_.Reset();
  IdleInit init{std::move(init_), std::move(control_)};
  if (context_.launcher.Recycle(&init, image_)) {
    init_watch_.Reset();
    init_ = {};
    return true;
  }
  init_ = std::move(init.process);
  return false;
}

bool Workload::SettleInit() {
  if (init_.pid != 0 && !DismissInit()) {
    siginfo_t info;
    if (WaitFor(init_.pidfd.get(), &info, 0) == 0) return false;
    // Where it died before its first word nobody else holds the control's other end.
    lent_ = {};
    DrainControl();
    init_watch_.Reset();
    context_.launcher.Forget(init_.pid);
    init_ = {};
    if (!end_ && !GaveUp(info)) Lose();
    if (!end_ && !workload_) end_ = End{};
  }
  // It was the guard of an init that is still at work.
  if (lost_ && control_ && kill_ticks_ < kInitTicks) return false;
  // Without its init the workload is the agent's child, unless a pid namespace lies between them:
  // then it dies with its namespace, or belongs to the PID 1 of the one that was entered.
  return SettleWorkload();
}

// What was to announce or to hold the session's processes has died early: they are the agent's now.
void Workload::Lose() {
  lost_ = true;
  if (workload_) Watch(&workload_watch_, workload_.get(), Handler::To<&Workload::OnExit>(this));
  Kill();
}

// Of one that is dead and not yet reaped.
bool Workload::GotThere(const siginfo_t& info) const {
  if (waits_) return EndedWaiting(info.si_code, info.si_status);
  if (info.si_code == CLD_EXITED && info.si_status != kNotReached) return true;
  ProcStat stat;
  return ReadProcStat(context_.launcher.proc_fd(), host_pid_, &stat) && stat.execed();
}

bool Workload::SettleWorkload() {
  if (end_) return true;
  siginfo_t info;
  struct rusage use = {};
  const int dead = WaitFor(workload_.get(), &info, WNOWAIT, &use);
  if (dead == 0 || (dead < 0 && !HasExited(workload_.get()))) return false;
  DrainChannel();
  if (dead < 0) {
    end_ = End{End::Kind::unknown, 0, running_, MonotonicUs(), {}};
    return true;
  }
  const bool execed = running_ || GotThere(info);
  end_ = EndOf(info.si_code, info.si_status, execed, MonotonicUs(), UsageOf(use, info.si_code));
  workload_watch_.Reset();
  WaitFor(workload_.get(), &info, 0);
  return true;
}

}  // namespace linx
