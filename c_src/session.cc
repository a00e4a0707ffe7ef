#include "session.h"

#include <signal.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "capabilities.h"
#include "seccomp_rules.h"

namespace linx {
namespace {

// A listener whose backlog is full is asked again: 500 times, every 10 ms.
constexpr uint32_t kConnectMs = 10;
constexpr int kConnects = 500;
constexpr size_t kMaxSignals = 1024;
// Output of sessions stops while this much waits for the BEAM.
constexpr size_t kOutboxHigh = 1u << 20;
// What is read of a terminal after its workload's death, at most: the kernel holds far less, so
// more comes from a stray writer.
constexpr size_t kDrainBytes = 256u << 10;

SessionOutcome OutcomeOf(Stage stage) {
  switch (stage) {
    case Stage::malformed_request:
      return SessionOutcome::malformed;
    case Stage::clone:
    case Stage::fork:
    case Stage::open_target:
      return SessionOutcome::not_created;
    default:
      break;
  }
  return stage >= Stage::open_ns_user && stage <= Stage::setns_pid ? SessionOutcome::not_created
                                                                   : SessionOutcome::failed;
}

std::string Record(const Order& order, const std::string& body = {}) {
  std::string record(reinterpret_cast<const char*>(&order), sizeof(order));
  return record += body;
}

}  // namespace

void Session::Start(UniqueFd target) {
  target_ = std::move(target);
  connects_left_ = kConnects;
  proceed_ = plan_.auto_proceed;
  if (plan_.mode == Mode::enter) {
    if (!target_) {
      Result<UniqueFd> opened = OpenTarget(plan_.target);
      if (!opened.ok()) return Fail(opened.error());
      target_ = opened.Take();
    }
    Result<uint64_t> join =
        NamespacesToJoin(context_.workload.launcher.proc_fd(), target_.get(), plan_);
    if (!join.ok()) return Fail(join.error());
    join_ = join.value();
  }
  if (plan_.pty()) {
    pty_.emplace();
    const Status opened = pty_->Open();
    if (!opened.ok()) return Fail(opened.error());
  }
  OpenInputs();
}

void Session::OpenInputs() {
  const Status opened = OpenStdio(plan_.stdio, &stdio_);
  if (opened.ok()) return Launch();
  if (opened.error().code != EAGAIN || --connects_left_ == 0) return Fail(opened.error());
  timer_ = context_.workload.loop.After(kConnectMs, Handler::To<&Session::OpenInputs>(this));
}

void Session::Launch() {
  int stdio[3];
  for (size_t i = 0; i < 3; ++i) stdio[i] = pty_ ? pty_->peer() : stdio_.fd[i].get();
  Launcher& launcher = context_.workload.launcher;
  Result<Launched> launched = plan_.mode == Mode::spawn
                                  ? launcher.Spawn(plan_, stdio)
                                  : launcher.Enter(plan_, stdio, target_.get(), join_);
  target_.Reset();
  if (!launched.ok()) return Fail(launched.error());
  workload_.Start(launched.Take());
}

void Session::OnSpawned(pid_t host_pid) {
  state_ = SessionState::spawned;
  events_.Spawned(host_pid);
}

void Session::OnReady(pid_t ns_pid) {
  stdio_ = StdioFds();  // the child has its own by now
  child_pid_ = ns_pid;
  state_ = proceed_ ? SessionState::proceeding : SessionState::ready;
  events_.Ready(ns_pid);
}

void Session::OnFailed(const Error& error) {
  if (!error_) error_ = error;
}

void Session::OnRunning() {
  // An abort that came too late for that: the workload ends as a running one that is killed.
  aborting_ = false;
  state_ = SessionState::running;
  const pid_t outermost = workload_.outermost_pid();
  if (plan_.orphan_policy.linger && context_.spares.Add(outermost)) spare_ = outermost;
  events_.Running();
  for (const int number : signals_) workload_.Signal(number);
  signals_.clear();
  if (pty_) WatchPty();
}

void Session::OnEnd(const End& end) {
  end_ = end;
  timer_.Reset();
  pty_watch_.Reset();
  if (!pty_ || state_ != SessionState::running) return Finish();
  pty_->ClosePeer();
  DrainPty();
}

void Session::Finish() {
  if (error_) return Fail(*error_);
  if (aborting_) {
    events_.Aborted(child_pid_);
  } else if (end_->kind == End::Kind::unknown) {
    return Fail(Error::Of(Stage::init, ECHILD));
  } else if (end_->kind == End::Kind::signaled) {
    events_.Signaled(end_->code);
  } else if (end_->execed) {
    events_.Exited(end_->code);
  } else {
    // It left before exec and without a word.
    return Fail(Error::Of(Stage::exec_outcome, ECHILD));
  }
  Close();
}

void Session::Fail(const Error& error) {
  outcome_ = OutcomeOf(error.stage);
  events_.Failed(error);
  Close();
}

void Session::Close() {
  if (ended()) return;
  state_ = SessionState::ended;
  context_.notices.ended.push_back(key_);
  timer_.Reset();
  pty_watch_.Reset();
  pty_.reset();
  stdio_ = StdioFds();
  if (spare_ != 0) context_.spares.Remove(std::exchange(spare_, 0));
}

void Session::Handle(const Command& command) {
  std::visit([this](const auto& one) { Handle(one); }, command);
}

void Session::Refuse(int code, std::string_view name, std::string_view detail) {
  events_.Refused(code, name, detail);
  CommandName command;
  if (refused_ || !plan_.fail_closed || !Find(name, &command)) return;
  switch (command) {
    case CommandName::cap_drop_bounding:
      refused_ = Error::Of(Stage::cap_drop_bounding, code);
      break;
    case CommandName::cap_set_thread:
      refused_ = Error::Of(Stage::cap_set_thread, code);
      break;
    case CommandName::cap_set_ambient:
      refused_ = Error::Of(Stage::cap_set_ambient, code);
      break;
    case CommandName::seccomp_install:
    case CommandName::seccomp_rules:
      refused_ = Error::Of(Stage::seccomp_install, code, std::string(detail));
      break;
    default:
      break;
  }
}

bool Session::AtCheckpoint(CommandName command) {
  if (!proceed_) return true;
  Refuse(EBUSY, Name(command));
  return false;
}

void Session::Handle(const Proceed&) {
  if (!AtCheckpoint(CommandName::proceed)) return;
  proceed_ = true;
  if (refused_) {
    error_ = refused_;
    return workload_.started() ? workload_.Kill() : Finish();
  }
  if (state_ == SessionState::ready) state_ = SessionState::proceeding;
  Order order = {};
  order.kind = Order::Kind::proceed;
  workload_.Order(Record(order));
}

void Session::Handle(const Abort&) {
  if (state_ != SessionState::running) aborting_ = true;
  if (!workload_.started()) return Finish();
  if (!end_) workload_.Kill();
}

void Session::Handle(const Signal& signal) {
  if (state_ == SessionState::running) {
    workload_.Signal(signal.number);
  } else if (signals_.size() < kMaxSignals) {
    signals_.push_back(signal.number);
  } else {
    Refuse(ENOBUFS, Name(CommandName::signal));
  }
}

void Session::OrderCap(CommandName command, Order::Kind kind, uint64_t a, uint64_t b, uint64_t c) {
  if (!AtCheckpoint(command)) return;
  if (((a | b | c) & ~AllCapabilities()) != 0) {
    return Refuse(EINVAL, Name(command), "no such capability");
  }
  if (cap_orders_ == kMaxCapCommands) return Refuse(ENOBUFS, Name(command));
  ++cap_orders_;
  Order order = {};
  order.kind = kind;
  order.mask[0] = a;
  order.mask[1] = b;
  order.mask[2] = c;
  workload_.Order(Record(order));
}

void Session::Handle(const CapDropBounding& caps) {
  OrderCap(CommandName::cap_drop_bounding, Order::Kind::cap_drop_bounding, caps.mask);
}

void Session::Handle(const CapSetThread& caps) {
  OrderCap(CommandName::cap_set_thread, Order::Kind::cap_set_thread, caps.effective, caps.permitted,
           caps.inheritable);
}

void Session::Handle(const CapSetAmbient& caps) {
  OrderCap(CommandName::cap_set_ambient, Order::Kind::cap_set_ambient, caps.mask);
}

void Session::OrderFilter(CommandName command, const std::string& bpf) {
  if (filters_ == kMaxFilters) return Refuse(ENOBUFS, Name(command));
  ++filters_;
  Order order = {};
  order.kind = Order::Kind::filter;
  order.size = static_cast<uint32_t>(bpf.size());
  workload_.Order(Record(order, bpf));
}

void Session::Handle(const SeccompInstall& filter) {
  if (!AtCheckpoint(CommandName::seccomp_install)) return;
  OrderFilter(CommandName::seccomp_install, filter.bpf);
}

void Session::Handle(const SeccompRules& rules) {
  if (!AtCheckpoint(CommandName::seccomp_rules)) return;
  const Result<std::string> bpf = CompileSeccomp(rules);
  if (!bpf.ok()) {
    const Error& error = bpf.error();
    return Refuse(error.code, Name(CommandName::seccomp_rules), error.detail);
  }
  OrderFilter(CommandName::seccomp_rules, bpf.value());
}

void Session::Handle(const PtyIn& input) {
  const std::string_view name = Name(CommandName::pty_in);
  if (!pty_) return Refuse(ENOTTY, name);
  if (state_ != SessionState::running) return Refuse(EBUSY, name);
  if (!pty_->Queue(input.bytes)) return Refuse(ENOBUFS, name);
  pty_->Feed();
  WatchPty();
}

void Session::Handle(const PtyWinsize& size) {
  if (!pty_) return Refuse(ENOTTY, Name(CommandName::pty_winsize));
  pty_->SetWinsize(size);
}

void Session::WatchPty() {
  if (end_) return;
  const uint32_t wanted =
      (paused_ ? 0 : uint32_t{EPOLLIN}) | (pty_->has_input() ? uint32_t{EPOLLOUT} : 0);
  if (!pty_watch_) {
    Result<EventLoop::Watch> added =
        context_.workload.loop.Add(pty_->master(), wanted, Handler::To<&Session::OnPty>(this));
    if (!added.ok()) {
      error_ = added.error();
      return workload_.Kill();
    }
    pty_watch_ = added.Take();
  }
  pty_watch_.Want(wanted);
}

void Session::OnPty() {
  pty_->Feed();
  if (!paused_) ReadPty();
  WatchPty();
}

// One frame of output. False where there is nothing to read now, or the outbox is full.
bool Session::ReadPty() {
  if (events_.pending() > kOutboxHigh) {
    if (!std::exchange(paused_, true)) context_.notices.paused.push_back(key_);
    return false;
  }
  return events_.PtyOut(Pty::kReadBytes, [this](char* to, size_t size) {
    // The terminal hands out a few kilobytes at a time.
    size_t got = 0;
    while (got < size) {
      const ssize_t n = pty_->Read(to + got, size - got);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    return got;
  }) > 0;
}

void Session::ResumeOutput() {
  if (!paused_ || ended()) return;
  paused_ = false;
  if (end_) return DrainPty();
  WatchPty();
}

// What the workload wrote is in the terminal's buffer: it is read until it is empty, also while a
// stray holds the terminal open.
void Session::DrainPty() {
  size_t frames = kDrainBytes / Pty::kReadBytes;
  while (frames-- > 0 && ReadPty()) {
  }
  if (!paused_) Finish();
}

void Session::Orphan() {
  if (ended() || end_) return;
  if (state_ != SessionState::running) return Handle(Abort{});
  if (plan_.orphan_policy.linger) {
    // It goes on without the agent, which has nothing more to say of it.
    state_ = SessionState::ended;
    return context_.notices.ended.push_back(key_);
  }
  if (workload_.IgnoresTerm()) return workload_.Kill();
  workload_.Signal(SIGTERM);
  timer_ = context_.workload.loop.After(plan_.orphan_policy.grace_ms,
                                        Handler::To<&Workload::Kill>(&workload_));
}

}  // namespace linx
