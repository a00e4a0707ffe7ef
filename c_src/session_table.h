// The channel to the BEAM: commands in, events out, sessions by id.
//
// The first frame decides what the agent is: `{:hello, 1}` makes it serve many sessions, whose
// frames are `{id, term}`; a request makes it serve that one session with bare frames and exit with
// it. Both run the same sessions.
#ifndef LINX_SESSION_TABLE_H_
#define LINX_SESSION_TABLE_H_

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "event_loop.h"
#include "frame.h"
#include "large_pipe.h"
#include "launch.h"
#include "session.h"
#include "spare_table.h"
#include "stdin_pass.h"

namespace linx {

// What the agent exits with.
enum ExitCode : int {
  kReported = 0,       // the session's end was reported; or the envelope's channel was closed
  kChannelFailed = 1,  // or the request was too big
  kMalformed = 2,
  kNotCreated = 3,  // clone, fork or namespace entry
  kSetupFailed = 4,
};

class SessionTable {
 public:
  SessionTable(EventLoop& loop, Launcher& launcher, SpareTable& spares, LeafParents& parents,
               int in_fd, int out_fd)
      : loop_(loop),
        launcher_(launcher),
        spares_(spares),
        leaves_(parents),
        in_fd_(in_fd),
        out_fd_(out_fd) {}

  // Errors: epoll.
  Status Open();
  // The BEAM is gone, or the agent was told to end: each session's orphan policy applies.
  void WindDown();
  // After each turn of the loop: buries the dead, writes what is to be said. True while there is
  // more to do.
  bool EndTurn();
  int exit_code() const { return exit_code_; }

 private:
  enum class Form : uint8_t { undecided, anonymous, envelope };

  void OnInput();
  Io ReadInput();
  void TakeFrames();
  void OnOutputRoom() {}
  void TakeFrame(const FrameReader::Frame& frame);
  void TakeOversize(std::string_view prefix);
  void TakeFirst(std::string_view body);
  void TakeAnonymous(std::string_view body);
  void TakeEnvelope(std::string_view body);
  void TakeBare(TermReader reader);
  void TakeSessionTerm(uint64_t id, TermReader reader);
  bool TakeHello(TermReader reader);
  bool TakeRequest(std::optional<uint64_t> id, TermReader reader);
  void TakeCommand(Session* session, TermReader reader);
  void CompileSeccompFor(Events events, TermReader reader);
  void StartSession(std::optional<uint64_t> id, Plan plan);
  // Answers a request that begins no session. The anonymous form ends with it.
  void Decline(std::optional<uint64_t> id, const Error& error, ExitCode code);
  void AnswerStats();
  void Bury(uint64_t key);
  void WatchChannel();

  Events EventsOf(std::optional<uint64_t> id) { return Events(&outbox_, id); }
  Session* Find(uint64_t id);

  EventLoop& loop_;
  Launcher& launcher_;
  SpareTable& spares_;
  Leaves leaves_;
  const int in_fd_;
  const int out_fd_;
  EventLoop::Watch in_watch_, out_watch_;
  FrameReader reader_;
  StdinPass pass_;
  LargePipe large_in_;
  Outbox outbox_;
  Form form_ = Form::undecided;
  Links links_;
  std::unordered_map<uint64_t, std::unique_ptr<Session>> sessions_;
  SessionNotices notices_;
  uint64_t started_ = 0;
  int exit_code_ = kReported;
  bool input_open_ = true;
  bool output_open_ = true;
  bool winding_down_ = false;
  bool finished_ = false;  // nothing more will be said or done
};

}  // namespace linx

#endif  // LINX_SESSION_TABLE_H_
