#include "session_table.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "answers.h"
#include "command.h"
#include "envelope.h"
#include "kernel_features.h"
#include "request.h"
#include "seccomp_rules.h"

namespace linx {
namespace {

// The anonymous session's place in the table.
constexpr uint64_t kAnonymous = 0;
// Nothing is read of a BEAM that leaves this much unread.
constexpr size_t kOutboxFull = 8u << 20;
// A frame of stdin that is passed on takes two steps or more; others have their turn after so many.
constexpr int kInputSteps = 8;
// Of a request that names none.
constexpr uint32_t kEnvelopeWindow = 256u << 10;
// Paused output goes on below this.
constexpr size_t kOutboxLow = 64u << 10;

// An ack may be under way when its session ends, and asks for no answer.
bool IsAck(TermReader reader) {
  const std::variant<Command, CommandError> read = ReadCommand(reader);
  const auto* command = std::get_if<Command>(&read);
  return command != nullptr && std::holds_alternative<Ack>(*command);
}

int ExitCodeOf(SessionOutcome outcome) {
  switch (outcome) {
    case SessionOutcome::reported:
      return kReported;
    case SessionOutcome::malformed:
      return kMalformed;
    case SessionOutcome::not_created:
      return kNotCreated;
    case SessionOutcome::failed:
      return kSetupFailed;
  }
  return kSetupFailed;
}

}  // namespace

Status SessionTable::Open() {
  Result<EventLoop::Watch> in =
      loop_.Add(in_fd_, EPOLLIN, Handler::To<&SessionTable::OnInput>(this));
  if (!in.ok()) return in.error();
  in_watch_ = in.Take();
  // Being woken is all it is for: the turn's end writes.
  Result<EventLoop::Watch> out =
      loop_.Add(out_fd_, 0, Handler::To<&SessionTable::OnOutputRoom>(this));
  if (!out.ok()) return out.error();
  out_watch_ = out.Take();
  outbox_.Attach(out_fd_);
  return {};
}

void SessionTable::OnInput() {
  Io io;
  int steps = 0;
  do {
    io = ReadInput();
  } while (io == Io::more && pass_.flows() && ++steps < kInputSteps);
  if (io == Io::eof || io == Io::error) {
    input_open_ = false;
    in_watch_.Reset();
    WindDown();
  }
}

Io SessionTable::ReadInput() {
  if (pass_.is_active()) return pass_.Continue(reader_, in_fd_, Find(pass_.id()));
  const Io io = reader_.Fill(in_fd_, pass_.NextFill());
  TakeFrames();
  if (pass_.is_active()) large_in_.OnFull(in_fd_, reader_.bytes_in());
  return io;
}

void SessionTable::TakeFrames() {
  const bool envelope = form_ == Form::envelope;
  while (const FrameReader::Frame frame = reader_.Next()) {
    if (!finished_) TakeFrame(frame);
    pass_.Note(frame.body, envelope);
  }
  StdinHead head;
  if (form_ == Form::undecided || finished_ || !StdinPass::Sees(reader_, envelope, &head)) return;
  pass_.Begin(reader_, head, Find(head.id));
}

void SessionTable::TakeFrame(const FrameReader::Frame& frame) {
  if (frame.kind == FrameReader::Frame::Kind::oversize) return TakeOversize(frame.body);
  switch (form_) {
    case Form::undecided:
      return TakeFirst(frame.body);
    case Form::anonymous:
      return TakeAnonymous(frame.body);
    case Form::envelope:
      return TakeEnvelope(frame.body);
  }
}

void SessionTable::TakeOversize(std::string_view prefix) {
  uint64_t id;
  switch (form_) {
    case Form::undecided:
      return Decline({}, Error::Of(Stage::request_too_big, EMSGSIZE), kChannelFailed);
    case Form::anonymous:
      return EventsOf({}).Refused(EMSGSIZE, Name(Stage::command_too_big));
    case Form::envelope:
      if (!ReadEnvelopePrefix(prefix, &id)) {
        return EventsOf({}).Refused(EMSGSIZE, Name(Stage::command_too_big));
      }
      return EventsOf(id).Refused(EMSGSIZE, Name(Stage::command_too_big));
  }
}

void SessionTable::TakeFirst(std::string_view body) {
  TermReader reader(body);
  if (TakeHello(reader)) return;
  form_ = Form::anonymous;
  if (TakeRequest({}, reader)) return;
  Decline({}, Error::Of(Stage::malformed_request, EINVAL), kMalformed);
}

void SessionTable::Decline(std::optional<uint64_t> id, const Error& error, ExitCode code) {
  EventsOf(id).Failed(error);
  if (id) return;
  exit_code_ = code;
  finished_ = true;
}

bool SessionTable::TakeHello(TermReader reader) {
  CommandName name;
  uint64_t version;
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&name) || name != CommandName::hello ||
      !reader.ReadUint(&version) || version != kProtocolVersion) {
    return false;
  }
  form_ = Form::envelope;
  SayHello(&outbox_, Features(leaves_));
  return true;
}

// False where the term is no request.
bool SessionTable::TakeRequest(std::optional<uint64_t> id, TermReader reader) {
  CommandName name;
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&name)) return false;
  if (name != CommandName::spawn && name != CommandName::enter) return false;
  if (id && Find(*id) != nullptr) {
    EventsOf(id).Refused(EBUSY, Name(Stage::session_in_use));
    return true;
  }
  // What began now would meet no orphan policy any more.
  if (winding_down_) {
    Decline(id, Error::Of(Stage::agent_died, ESHUTDOWN), kSetupFailed);
    return true;
  }
  Result<Plan> plan = ReadPlan(name == CommandName::spawn ? Mode::spawn : Mode::enter, reader);
  if (plan.ok()) {
    StartSession(id, plan.Take());
  } else {
    Decline(id, plan.error(), kMalformed);
  }
  return true;
}

void SessionTable::StartSession(std::optional<uint64_t> id, Plan plan) {
  // Nobody is there to have the other end.
  if (!id && plan.links()) return Decline({}, Error::Of(Stage::link, EINVAL), kSetupFailed);
  UniqueFd target;
  if (plan.target_session) {
    Session* session = id ? Find(*plan.target_session) : nullptr;
    const int pidfd = session != nullptr ? session->workload_pidfd() : -1;
    if (pidfd < 0) return Decline(id, Error::Of(Stage::open_target, ESRCH), kNotCreated);
    target.Reset(fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
    if (!target) return Decline(id, Error::Last(Stage::open_target), kNotCreated);
  }
  if (id && !plan.window) plan.window = kEnvelopeWindow;
  ++started_;
  const uint64_t key = id.value_or(kAnonymous);
  const SessionContext context{{loop_, launcher_}, spares_, links_, leaves_, notices_};
  std::unique_ptr<Session>& session = sessions_[key];
  session = std::make_unique<Session>(context, key, EventsOf(id), std::move(plan));
  session->Start(std::move(target));
}

void SessionTable::TakeAnonymous(std::string_view body) {
  Session* session = Find(kAnonymous);
  if (session != nullptr) TakeCommand(session, TermReader(body));
}

void SessionTable::TakeEnvelope(std::string_view body) {
  TermReader reader(body);
  uint64_t id;
  if (ReadEnvelope(reader, &id)) return TakeSessionTerm(id, reader);
  TakeBare(reader);
}

void SessionTable::TakeBare(TermReader reader) {
  CommandName name;
  if (reader.ReadName(&name) && reader.AtEnd()) {
    if (name == CommandName::stats) return AnswerStats();
    if (name == CommandName::capabilities) return SayCapabilities(&outbox_);
  }
  EventsOf({}).Refused(EINVAL, Name(Stage::malformed_command));
}

void SessionTable::TakeSessionTerm(uint64_t id, TermReader reader) {
  if (TakeRequest(id, reader)) return;
  Session* session = Find(id);
  if (session != nullptr) return TakeCommand(session, reader);
  if (IsAck(reader)) return;
  TermReader compile = reader;
  CommandName name;
  if (compile.ReadTupleOf(2) && compile.ReadName(&name) && name == CommandName::seccomp_compile) {
    return CompileSeccompFor(EventsOf(id), compile);
  }
  EventsOf(id).Refused(ENOENT, Name(Stage::unknown_session));
}

void SessionTable::TakeCommand(Session* session, TermReader reader) {
  const std::variant<Command, CommandError> read = ReadCommand(reader);
  if (const auto* error = std::get_if<CommandError>(&read)) {
    return session->Refuse(error->code, error->refused_as, error->detail);
  }
  session->Handle(std::get<Command>(read));
}

void SessionTable::CompileSeccompFor(Events events, TermReader reader) {
  const Result<SeccompRules> rules = ReadSeccompRules(reader);
  const std::string_view name = Name(CommandName::seccomp_compile);
  if (!rules.ok()) return events.Refused(rules.error().code, name, rules.error().detail);
  const Result<std::string> bpf = CompileSeccomp(rules.value());
  if (!bpf.ok()) return events.Refused(bpf.error().code, name, bpf.error().detail);
  events.SeccompFilter(bpf.value());
}

Session* SessionTable::Find(uint64_t id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() || found->second->ended() ? nullptr : found->second.get();
}

void SessionTable::WindDown() {
  if (std::exchange(winding_down_, true)) return;
  for (const auto& [id, session] : sessions_) session->Orphan();
  if (form_ == Form::undecided) exit_code_ = kChannelFailed;
}

bool SessionTable::EndTurn() {
  if (output_open_ && outbox_.Flush(out_fd_) == Io::error) {
    output_open_ = false;
    out_watch_.Reset();
    exit_code_ = kChannelFailed;
    WindDown();
  }
  // Nobody hears the rest.
  if (!output_open_) outbox_.Discard();
  WatchChannel();
  // Last: output that goes on, or a channel that has closed, may have ended sessions only now, and
  // no event would come for them.
  for (const uint64_t key : std::exchange(notices_.ended, {})) Bury(key);
  if (launcher_.tending_due() && form_ == Form::envelope && !winding_down_) launcher_.Tend();
  const bool said = !output_open_ || outbox_.pending() == 0;
  return !((finished_ || winding_down_) && sessions_.empty() && said);
}

void SessionTable::Bury(uint64_t key) {
  const auto found = sessions_.find(key);
  // The id may be in use again.
  if (found == sessions_.end() || !found->second->ended()) return;
  if (form_ == Form::anonymous) {
    exit_code_ = ExitCodeOf(found->second->outcome());
    finished_ = true;
  }
  sessions_.erase(found);
}

// What the BEAM does not read is not read from it either, nor from the sessions.
void SessionTable::WatchChannel() {
  if (outbox_.pending() <= kOutboxLow) {
    for (const uint64_t key : std::exchange(notices_.paused, {})) {
      if (Session* session = Find(key)) session->ResumeOutput();
    }
  }
  // After that: what goes on may have more to say, even its last word.
  const size_t pending = outbox_.pending();
  if (input_open_) in_watch_.Want(pending > kOutboxFull ? 0 : uint32_t{EPOLLIN});
  out_watch_.Want(pending > 0 ? uint32_t{EPOLLOUT} : 0);
}

void SessionTable::AnswerStats() {
  AgentStats stats;
  stats.use = ReadProcessUse(launcher_.proc_fd());
  stats.sessions = sessions_.size();
  stats.sessions_started = started_;
  stats.bytes_in = reader_.bytes_in();
  for (const auto& [id, session] : sessions_) {
    if (session->host_pid() != 0) stats.pids.push_back(session->host_pid());
  }
  SayStats(&outbox_, stats);
}

}  // namespace linx
