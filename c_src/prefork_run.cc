#include "prefork_run.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "pidfd.h"

namespace linx {

PreforkRun::PreforkRun(EventLoop& loop, WorkloadListener* listener, PreforkRunPlan plan)
    : loop_(loop),
      listener_(listener),
      plan_(std::move(plan)),
      call_(MoveHigh(std::move(plan_.socket))) {}

Status PreforkRun::Start() {
  Result<EventLoop::Watch> added = loop_.Add(call_.fd(), static_cast<uint32_t>(call_.wants()),
                                             Handler::To<&PreforkRun::OnSocket>(this));
  if (!added.ok()) return added.error();
  watch_ = added.Take();
  return {};
}

void PreforkRun::Proceed() {
  call_.Run(plan_.numbers, std::move(plan_.settings));
  watch_.Want(static_cast<uint32_t>(call_.wants()));
}

int PreforkRun::Signal(int number) {
  switch (number) {
    case SIGINT:
    case SIGTERM:
    case SIGHUP:
      call_.HangUp();
      return 0;
    case SIGKILL:
      Kill();
      return 0;
    default:
      return EOPNOTSUPP;
  }
}

// A pid stays the name of a process group while anybody is in it, and the monitor is: it is alive.
void PreforkRun::Kill() {
  killed_ = true;
  if (!running_) return call_.Close();
  call_.HangUp();
  const pid_t pid = call_.monitor();
  if (HasExited(monitor_.get())) return;
  if (getpgid(pid) == pid) kill(-pid, SIGKILL);
  SendSignal(monitor_.get(), SIGKILL);
}

// The end of the monitor is that of the run, whoever else may hold its socket.
void PreforkRun::OnMonitor() {
  monitor_watch_.Reset();
  call_.Advance();
  if (!over_ && running_ && call_.phase() == PreforkCall::Phase::waiting) call_.Close();
  OnSocket();
}

// Whom the greeting came from, if that is still the one: the socket's other end is the monitor's.
bool PreforkRun::PinMonitor() {
  if (call_.monitor() <= 0) return false;
  monitor_.Reset(static_cast<int>(syscall(SYS_pidfd_open, call_.monitor(), 0)));
  monitor_ = MoveHigh(std::move(monitor_));
  struct pollfd other_end = {call_.fd(), POLLRDHUP, 0};
  if (!monitor_ || poll(&other_end, 1, 0) != 0) return false;
  Result<EventLoop::Watch> added =
      loop_.Add(monitor_.get(), POLLIN, Handler::To<&PreforkRun::OnMonitor>(this));
  if (added.ok()) monitor_watch_ = added.Take();
  return added.ok();
}

void PreforkRun::Greeted() {
  greeted_ = true;
  // One that cannot be pinned has left, and its end of the socket is closed or soon will be.
  if (!PinMonitor()) return call_.Close();
  listener_->OnSpawned(call_.monitor());
  listener_->OnReady(call_.monitor());
}

void PreforkRun::OnSocket() {
  if (over_) return;
  call_.Advance();
  if (!greeted_ && call_.phase() == PreforkCall::Phase::greeted) Greeted();
  const bool handed_over = call_.phase() == PreforkCall::Phase::waiting || call_.wait_status();
  if (handed_over && !running_) {
    running_ = true;
    plan_.stdio = StdioFds();
    listener_->OnRunning();
  }
  if (call_.phase() == PreforkCall::Phase::ended) return Report();
  watch_.Want(static_cast<uint32_t>(call_.wants()));
}

Result<End> PreforkRun::Outcome() const {
  End end;
  end.at_us = MonotonicUs();
  end.execed = running_;
  if (const std::optional<int>& status = call_.wait_status()) {
    end.core_dumped = WIFSIGNALED(*status) && WCOREDUMP(*status);
    end.code = WIFEXITED(*status) ? WEXITSTATUS(*status) : WTERMSIG(*status);
    end.kind = WIFEXITED(*status) ? End::Kind::exited : End::Kind::signaled;
    if (WIFEXITED(*status) || WIFSIGNALED(*status)) return end;
    return Error::Of(Stage::prefork_status, EPROTO);
  }
  if (!killed_) return *call_.error();
  end.kind = End::Kind::signaled;
  end.code = SIGKILL;
  return end;
}

void PreforkRun::Report() {
  over_ = true;
  watch_.Reset();
  monitor_watch_.Reset();
  plan_.stdio = StdioFds();
  Result<End> end = Outcome();
  if (end.ok()) return listener_->OnEnd(end.value());
  listener_->OnFailed(end.error(), 0);
  listener_->OnEnd(End{});
}

}  // namespace linx
