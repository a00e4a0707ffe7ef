#include "session.h"

#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "id_mapped_mounts.h"
#include "step_detail.h"

namespace linx {
namespace {

// A listener whose backlog is full is asked again: 500 times, every 10 ms.
constexpr uint32_t kConnectMs = 10;
constexpr int kConnects = 500;

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> settings;
  for (char** setting = environ; *setting != nullptr; ++setting) settings.emplace_back(*setting);
  return settings;
}

SessionOutcome OutcomeOf(Stage stage) {
  switch (stage) {
    case Stage::malformed_request:
      return SessionOutcome::malformed;
    case Stage::clone:
    case Stage::cgroup_clone:
    case Stage::fork:
    case Stage::open_target:
      return SessionOutcome::not_created;
    default:
      break;
  }
  return stage >= Stage::open_ns_user && stage <= Stage::setns_pid ? SessionOutcome::not_created
                                                                   : SessionOutcome::failed;
}

}  // namespace

void Session::Start(UniqueFd target) {
  target_ = std::move(target);
  connects_left_ = kConnects;
  if (const Status checked = CheckConfinement(); !checked.ok()) return Fail(checked.error());
  if (plan_.auto_proceed) checkpoint_.Pass();
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
    const Status opened = streams_.OpenTerminal(plan_.window);
    if (!opened.ok()) return Fail(opened.error());
  }
  OpenInputs();
}

// What cannot be enforced here is found out before anything is made.
Status Session::CheckConfinement() {
  for (Landlock& layer : plan_.landlock) {
    if (Status fits = FitToAbi(LandlockAbi(), &layer); !fits.ok()) return fits;
  }
  Result<std::vector<std::string>> orders = OrdersOf(plan_.privileges, &checkpoint_);
  if (!orders.ok()) return orders.error();
  orders_ = orders.Take();
  return {};
}

void Session::OpenInputs() {
  Status opened = OpenStdio(plan_.stdio, &context_.links, key_, &stdio_);
  const bool has_stdio = opened.ok();
  if (has_stdio) opened = OpenFds(plan_.fds, &context_.links, key_, &stdio_);
  if (opened.ok()) return plan_.prefork ? CallScript() : Launch();
  if (opened.error().code != EAGAIN || --connects_left_ == 0) {
    Error error = opened.error();
    if (has_stdio && plan_.prefork) error.stage = Stage::prefork_connect;
    return Fail(error);
  }
  timer_ = context_.workload.loop.After(kConnectMs, Handler::To<&Session::OpenInputs>(this));
}

void Session::Launch() {
  if (plan_.cgroup.target) {
    const Status joined = tree_.JoinCgroups(target_.get());
    if (!joined.ok()) return Fail(joined.error());
  }
  const Status made = tree_.MakeCgroups(context_.leaves, plan_);
  if (!made.ok()) return Fail(made.error());
  // Who comes by way of another's namespaces may not see the leaf, and nobody is born in a cgroup
  // of version 1: they wait to be moved.
  placing_ = tree_.placing(plan_.mode);
  held_ = placing_ || plan_.needs_parking();
  if (held_) plan_.auto_proceed = false;
  streams_.OpenPipes(&stdio_, plan_.window);
  LentFds fds;
  for (size_t i = 0; i < 3; ++i) {
    fds.stdio[i] = plan_.pty() ? streams_.terminal() : stdio_.workload(i);
  }
  for (const UniqueFd& fd : stdio_.others) fds.others.push_back(fd.get());
  if (target_ && plan_.waits()) {
    target_ = MoveHigh(std::move(target_));
    Result<EventLoop::Watch> watch = context_.workload.loop.Add(
        target_.get(), EPOLLIN, Handler::To<&Session::OnTargetGone>(this));
    if (!watch.ok()) return Fail(watch.error());
    target_watch_ = watch.Take();
  }
  Launcher& launcher = context_.workload.launcher;
  Result<Launched> launched = plan_.mode == Mode::spawn
                                  ? launcher.Spawn(plan_, fds, tree_.cgroup())
                                  : launcher.Enter(plan_, fds, target_.get(), join_);
  if (!target_watch_) target_.Reset();
  if (!launched.ok()) return Fail(launched.error());
  released_us_ = MonotonicUs();
  workload_.Start(launched.Take());
}

// A warm script runs it: there is nothing of ours to prepare, but it is let go as if there were.
void Session::CallScript() {
  held_ = true;
  plan_.auto_proceed = false;
  streams_.OpenPipes(&stdio_, plan_.window);
  PreforkRunPlan run;
  for (size_t i = 0; i < 3; ++i) {
    const int fd = plan_.pty() ? streams_.terminal() : stdio_.workload(i);
    run.numbers[i] = fd < 0 ? static_cast<int>(i) : fd;
  }
  run.socket = std::move(stdio_.others[0]);
  run.stdio = std::exchange(stdio_, StdioFds());
  run.settings = PreforkSettings(plan_.env ? *plan_.env : OwnEnvironment(), plan_.argv);
  WorkloadListener* const self = this;
  run_ = std::make_unique<PreforkRun>(context_.workload.loop, self, std::move(run));
  const Status started = run_->Start();
  if (!started.ok()) Fail(started.error());
}

// It would be no use to anybody any more.
void Session::OnTargetGone() {
  target_watch_.Reset();
  target_.Reset();
  if (!end_) tree_.Kill();
}

void Session::OnSpawned(pid_t host_pid) {
  if (run_) run_pid_ = host_pid;
  state_ = SessionState::spawned;
  events_.Spawned(host_pid);
}

void Session::OnReady(pid_t ns_pid) {
  stdio_ = StdioFds();  // the child has its own by now
  child_pid_ = ns_pid;
  held_ ? Prepare() : Arrive();
}

// What is ours to do while the child is parked, and nobody else is told of it yet.
void Session::Prepare() {
  if (placing_ && !Place()) return;
  if (!plan_.id_maps.wanted()) return LetGo();
  mapping_ = std::make_unique<IdMapping>(context_.workload, Handler::To<&Session::OnMapped>(this));
  mapping_->Start(plan_.id_maps, workload_.pidfd(), workload_.host_pid());
}

void Session::OnMapped() {
  // The child died or was killed meanwhile, and a program that wrote its maps was to end first.
  if (end_) return tree_.End();
  const Status& mapped = mapping_->outcome();
  if (mapped.ok()) return LetGo();
  // An abort may be what it failed by.
  if (!aborting_) OnFailed(mapped.error(), 0);
  tree_.Kill();
}

bool Session::Place() {
  const Status placed = tree_.Place(plan_.mode);
  if (placed.ok()) return true;
  OnFailed(placed.error(), 0);
  tree_.Kill();
  return false;
}

// Mounts that take the maps and the agent's rights. False where they could not be made.
bool Session::PassMounts() {
  if (!plan_.mounts.id_mapped()) return true;
  Result<std::vector<IdMappedMount>> made = MakeIdMapped(
      plan_.mounts, context_.workload.launcher.proc_fd(), workload_.host_pid(), workload_.pidfd());
  if (!made.ok()) {
    OnFailed(made.error(), 0);
    tree_.Kill();
    return false;
  }
  for (IdMappedMount& mount : made.value()) {
    workload_.Order(std::move(mount.order), std::move(mount.tree));
  }
  return true;
}

// The request's own orders, and proceed where it was said before the child was ours to let go.
void Session::LetGo() {
  if (!PassMounts()) return;
  held_ = false;
  for (std::string& order : std::exchange(orders_, {})) workload_.Order(std::move(order));
  if (checkpoint_.passed()) PassProceed();
  Arrive();
}

// The child is at its checkpoint, or past it.
void Session::Arrive() {
  if (!plan_.auto_proceed) released_us_ = MonotonicUs();
  if (checkpoint_.passed()) {
    // Nobody can act on it: it is said together with what comes next.
    state_ = SessionState::proceeding;
    ready_due_ = true;
  } else {
    state_ = SessionState::ready;
    events_.Ready(child_pid_);
  }
}

void Session::SayReady() {
  if (std::exchange(ready_due_, false)) events_.Ready(child_pid_);
}

void Session::OnFailed(const Error& error, int32_t element) {
  if (error_) return;
  error_ = error;
  if (error_->detail.empty()) error_->detail = DetailOf(plan_, error.stage, element);
}

void Session::OnListening(UniqueFd listener) {
  listener_ =
      std::make_unique<SyscallListener>(context_.workload.loop, events_, plan_.syscall_timeout);
  const Status started = listener_->Start(std::move(listener), context_.workload.launcher.proc_fd(),
                                          workload_.host_pid());
  if (started.ok()) return;
  listener_.reset();
  OnFailed(started.error(), 0);
  tree_.Kill();
}

void Session::OnRunning() {
  SayReady();
  // An abort that came too late for that: the workload ends as a running one that is killed.
  aborting_ = false;
  state_ = SessionState::running;
  const pid_t outermost = run_ ? 0 : workload_.outermost_pid();
  if (plan_.orphan_policy.linger && context_.spares.Add(outermost)) spare_ = outermost;
  events_.Running();
  for (const int number : std::exchange(signals_, {})) Send(number);
  const Status heard = streams_.Start();
  if (!heard.ok()) {
    error_ = heard.error();
    return Kill();
  }
  if (listener_) listener_->OnRunning();
}

void Session::OnForked() { events_.Forked(); }

void Session::OnEnd(const End& end) {
  end_ = end;
  timer_.Reset();
  if (mapping_ && mapping_->busy()) return mapping_->Stop();
  tree_.End();
}

void Session::OnTreeGone() {
  draining_ = true;
  streams_.Drain(plan_.drain_ms);
}

void Session::SayUsage() {
  if (run_ && end_ && end_->execed && plan_.usage.value_or(events_.in_envelope())) {
    return events_.RunUsed(end_->at_us - released_us_, end_->core_dumped);
  }
  if (!end_ || !end_->usage || !plan_.usage.value_or(events_.in_envelope())) return;
  end_->usage->wall_us = end_->at_us > released_us_ ? end_->at_us - released_us_ : 0;
  events_.Used(*end_->usage);
}

void Session::Finish() {
  SayReady();
  SayUsage();
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
  SayReady();
  tree_.Close();
  outcome_ = OutcomeOf(error.stage);
  events_.Failed(error);
  Close();
}

void Session::Close() {
  if (ended()) return;
  state_ = SessionState::ended;
  context_.notices.ended.push_back(key_);
  timer_.Reset();
  streams_.Close();
  target_watch_.Reset();
  target_.Reset();
  listener_.reset();
  stdio_ = StdioFds();
  context_.links.Drop(key_);
  tree_.Close();
  if (spare_ != 0) context_.spares.Remove(std::exchange(spare_, 0));
}

void Session::OnPaused() { context_.notices.paused.push_back(key_); }

void Session::ResumeOutput() {
  if (!ended()) streams_.Resume();
}

void Session::Orphan() {
  if (ended()) return;
  if (end_) {
    plan_.drain_ms = 0;
    return draining_ ? streams_.Expire() : void();
  }
  if (state_ != SessionState::running) return Handle(Abort{});
  if (plan_.orphan_policy.linger) {
    // It goes on without the agent, which has nothing more to say of it.
    state_ = SessionState::ended;
    return context_.notices.ended.push_back(key_);
  }
  if (workload_.IgnoresTerm()) return Kill();
  Send(SIGTERM);
  tree_.Thaw();
  timer_ =
      context_.workload.loop.After(plan_.orphan_policy.grace_ms, Handler::To<&Session::Kill>(this));
}

}  // namespace linx
