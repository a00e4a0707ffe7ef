// A session's PTY in the loop: input goes to the workload as it takes it, output becomes events.
#ifndef LINX_TERMINAL_H_
#define LINX_TERMINAL_H_

#include <string_view>

#include "event_loop.h"
#include "events.h"
#include "pty.h"
#include "result.h"

namespace linx {

// Output stops while much of it waits for the BEAM; the session above then has it resumed when
// there is room. Its last part is drained before the session's end is said.
class Terminal {
 public:
  // `on_pause` is called when output stops, `on_drained` when Drain has come to its end; that one
  // may destroy the Terminal.
  Terminal(EventLoop& loop, Events events, Handler on_pause, Handler on_drained)
      : loop_(loop), events_(events), on_pause_(on_pause), on_drained_(on_drained) {}

  // Errors: as Pty::Open.
  Status Open() { return pty_.Open(); }
  // What becomes the workload's stdio.
  int peer() const { return pty_.peer(); }
  void SetWinsize(const PtyWinsize& size) { pty_.SetWinsize(size); }

  // The workload runs: its output is heard from here on. Errors: epoll.
  Status Start();
  // Input for a running workload; false where the queue is full, and then nothing is taken.
  bool Type(std::string_view bytes);
  // The outbox has room again.
  void Resume();
  // The workload is dead: what it wrote is read until the terminal is empty, also while a stray
  // holds it open.
  void Drain();

 private:
  void OnReady();
  void Want();
  bool ReadFrame();
  void ReadRest();

  EventLoop& loop_;
  Events events_;
  Handler on_pause_, on_drained_;
  Pty pty_;
  EventLoop::Watch watch_;
  bool paused_ = false;
  bool draining_ = false;
};

}  // namespace linx

#endif  // LINX_TERMINAL_H_
