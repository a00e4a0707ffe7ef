// What the other side asks of a session, each in the states that take it.
#include <signal.h>

#include <cerrno>
#include <string_view>

#include "session.h"

namespace linx {
namespace {

constexpr size_t kMaxSignals = 1024;

// Why a command means nothing where a warm script runs what the session is about.
constexpr std::string_view kNotOfARun = "its processes are those of a warm script";

}  // namespace

void Session::Handle(const Command& command) {
  std::visit([this](const auto& one) { Handle(one); }, command);
}

void Session::Refuse(int code, std::string_view name, std::string_view detail) {
  events_.Refused(code, name, detail);
  checkpoint_.NoteRefusal(code, name, detail);
}

template <typename OneCommand>
void Session::OrderChild(CommandName name, const OneCommand& command) {
  if (run_ && name != CommandName::proceed) return Refuse(EOPNOTSUPP, Name(name), kNotOfARun);
  Checkpoint::Ordered ordered = checkpoint_.Take(command);
  if (const auto* refusal = std::get_if<Refusal>(&ordered)) {
    return Refuse(refusal->code, Name(name), refusal->detail);
  }
  if (run_) return PassProceed();
  workload_.Order(std::get<std::string>(std::move(ordered)));
}

void Session::PassProceed() {
  run_ ? run_->Proceed() : workload_.Order(Checkpoint::ProceedRecord());
}

void Session::Send(int number) {
  if (!run_) return workload_.Signal(number);
  const int code = run_->Signal(number);
  if (code != 0) Refuse(code, Name(CommandName::signal), "a warm script can only be asked to end");
}

void Session::Kill() { run_ ? run_->Kill() : tree_.Kill(); }

void Session::Handle(const Proceed& proceed) {
  if (checkpoint_.closed() && !checkpoint_.passed()) {
    checkpoint_.Pass();
    error_ = checkpoint_.closed();
    return started() ? Kill() : Finish();
  }
  if (state_ == SessionState::ready) {
    state_ = SessionState::proceeding;
    released_us_ = MonotonicUs();
  }
  if (held_ && !checkpoint_.passed()) return checkpoint_.Pass();
  OrderChild(CommandName::proceed, proceed);
}

void Session::Handle(const Abort&) {
  if (state_ != SessionState::running) aborting_ = true;
  if (!started()) return Finish();
  if (!end_) Kill();
}

void Session::Handle(const Signal& signal) {
  if (state_ == SessionState::running) {
    Send(signal.number);
    if (signal.number == SIGTERM) tree_.Thaw();
  } else if (signals_.size() < kMaxSignals) {
    signals_.push_back(signal.number);
  } else {
    Refuse(ENOBUFS, Name(CommandName::signal));
  }
}

void Session::Handle(const CapDropBounding& caps) {
  OrderChild(CommandName::cap_drop_bounding, caps);
}

void Session::Handle(const CapSetThread& caps) { OrderChild(CommandName::cap_set_thread, caps); }

void Session::Handle(const CapSetAmbient& caps) { OrderChild(CommandName::cap_set_ambient, caps); }

void Session::Handle(const SeccompInstall& filter) {
  OrderChild(CommandName::seccomp_install, filter);
}

void Session::Handle(const SeccompRules& rules) { OrderChild(CommandName::seccomp_rules, rules); }

template <typename OneCommand>
void Session::Stream(CommandName name, const OneCommand& command) {
  const int code = streams_.Handle(command);
  if (code != 0) Refuse(code, Name(name));
}

void Session::Handle(const PtyIn& input) { Stream(CommandName::pty_in, input); }

void Session::Handle(const PtyWinsize& size) { Stream(CommandName::pty_winsize, size); }

void Session::Handle(const StdinBytes& input) {
  if (state_ == SessionState::starting) return Refuse(EBUSY, Name(CommandName::stdin));
  Stream(CommandName::stdin, input);
}

void Session::Handle(const StdinEof& eof) { Stream(CommandName::stdin, eof); }

void Session::Handle(const Ack& ack) { Stream(CommandName::ack, ack); }

void Session::Handle(const SyscallAnswer& answer) {
  const int code = listener_ ? listener_->Answer(answer) : EBUSY;
  if (code != 0) Refuse(code, Name(CommandName::syscall_answer));
}

void Session::AskPausing(CommandName what) {
  if (run_) return Refuse(EOPNOTSUPP, Name(what), kNotOfARun);
  if (state_ != SessionState::running || end_) return Refuse(EBUSY, Name(what));
  if (const int code = tree_.AskPausing(what)) Refuse(code, Name(what));
}

void Session::Handle(const Pause&) { AskPausing(CommandName::pause); }

void Session::Handle(const Resume&) { AskPausing(CommandName::resume); }

void Session::Handle(const Stats&) {
  if (run_) return Refuse(EOPNOTSUPP, Name(CommandName::stats), kNotOfARun);
  const int code = end_ ? EBUSY : tree_.AskStats();
  if (code != 0) Refuse(code, Name(CommandName::stats));
}

}  // namespace linx
