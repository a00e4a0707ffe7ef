// One stream of output on its way from a workload to the BEAM.
#ifndef LINX_OUTPUT_H_
#define LINX_OUTPUT_H_

#include <cstdint>
#include <optional>

#include "event_loop.h"
#include "events.h"
#include "large_pipe.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

// Reading stops in two cases: as many bytes as the window holds wait for an ack, or much waits in
// the outbox. A pipe tells its end, `{name, :eof}`, exactly once; a terminal tells none.
class Output {
 public:
  enum class Source : uint8_t { pipe, terminal };

  // `on_pause` is called when the outbox is full: then Resume is to be called when it has room.
  // `on_done` is called when the output has come to its end after a Drain, but not from within it;
  // it may call Close.
  Output(EventLoop& loop, Events events, Handler on_pause, Handler on_done)
      : loop_(loop), events_(events), on_pause_(on_pause), on_done_(on_done) {}

  // `fd` does not block. Without a window no ack is waited for. Nothing is read before Start.
  void Open(UniqueFd fd, Source source, Event name, std::optional<uint32_t> window);
  void Close();
  // Whether there is such a stream, ended or not.
  bool exists() const { return exists_; }

  // The workload runs. Errors: epoll.
  Status Start();
  void Resume();
  // The BEAM is done with `bytes` more of what was sent; false where that is more than it has.
  bool Ack(uint64_t bytes);

  // The workload is dead. What it wrote before is read whatever the window; then, of a pipe that a
  // descendant holds open, what is written until Expire. A terminal ends when it is empty.
  void Drain();
  void Expire();
  bool done() const { return !watch_; }

  Event name() const { return name_; }
  uint64_t bytes() const { return sent_; }

 private:
  enum class Read : uint8_t { some, nothing, end };

  void OnReady();
  size_t Move(size_t allowed);
  Read ReadFrame();
  void ReadRest();
  bool HasHungUp() const;
  size_t Allowed() const;
  size_t Fill(char* to, size_t size, Read* result);
  void Want();
  void End();

  EventLoop& loop_;
  Events events_;
  Handler on_pause_, on_done_;
  UniqueFd fd_;
  EventLoop::Watch watch_;  // from Start to the end
  Source source_ = Source::pipe;
  Event name_ = Event::stdout;
  bool paused_ = false;
  bool draining_ = false;
  bool expired_ = false;
  bool flows_ = false;  // much came the last time
  LargePipe large_;
  bool exists_ = false;
  std::optional<uint32_t> window_;
  uint64_t sent_ = 0, acked_ = 0;
  size_t rest_ = 0;  // of what the workload left
};

}  // namespace linx

#endif  // LINX_OUTPUT_H_
