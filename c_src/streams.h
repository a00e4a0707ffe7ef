// All streams between one session's workload and the BEAM: a terminal, or pipes.
#ifndef LINX_STREAMS_H_
#define LINX_STREAMS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "command.h"
#include "event_loop.h"
#include "events.h"
#include "input.h"
#include "output.h"
#include "pty.h"
#include "request.h"
#include "result.h"
#include "session_stats.h"
#include "stdio_fds.h"

namespace linx {

class Streams {
 public:
  // `on_pause` is called when output stops for the outbox; `on_drained` when Drain has come to its
  // end, also from within it.
  Streams(EventLoop& loop, Events events, Handler on_pause, Handler on_drained);

  // Errors: as Pty::Open.
  Status OpenTerminal(std::optional<uint32_t> window);
  // Takes the agent's ends of the pipes from `stdio`.
  void OpenPipes(StdioFds* stdio, std::optional<uint32_t> window);
  // What becomes the workload's stdio where there is a terminal; -1 where there is none.
  int terminal() const { return pty_.peer(); }

  // The workload runs: its output is heard from here on. Errors: epoll.
  Status Start();
  // Each answers an errno, and 0 where it was done.
  int Handle(const PtyIn& input);
  int Handle(const PtyWinsize& size);
  int Handle(const StdinBytes& input);
  int Handle(const StdinEof&);
  int Handle(const Ack& ack);
  // A large frame of stdin that is passed on piece by piece: how much of one would be taken, a
  // piece of it, and one that is moved out of the pipe `from`.
  size_t StdinRoom() const { return HasStdin() ? input_.room() : 0; }
  void PassStdin(std::string_view piece) { input_.Take(piece); }
  size_t MoveStdin(int from, size_t most) { return input_.MoveFrom(from, most); }
  // The outbox has room again.
  void Resume();
  // The workload is dead: what it wrote is read, and for `ms` what others write.
  void Drain(uint32_t ms);
  // Ends a Drain with what the workload itself wrote.
  void Expire();
  void Close();

  StreamBytes bytes() const;

 private:
  bool HasStdin() const { return input_.exists() && !is_terminal_; }
  bool IsDrained() const;
  void OnOutputDone();

  EventLoop& loop_;
  Handler on_drained_;
  Pty pty_;
  Input input_;                    // to stdin or the terminal
  std::array<Output, 2> outputs_;  // of stdout or the terminal, and of stderr
  EventLoop::Timer timer_;
  bool is_terminal_ = false;
  bool started_ = false;
};

}  // namespace linx

#endif  // LINX_STREAMS_H_
