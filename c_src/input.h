// The bytes on their way from the BEAM to a workload's stdin.
#ifndef LINX_INPUT_H_
#define LINX_INPUT_H_

#include <cstdint>
#include <string_view>

#include "buffer.h"
#include "event_loop.h"
#include "events.h"
#include "large_pipe.h"
#include "unique_fd.h"

namespace linx {

// What the pipe or terminal does not take at once waits in a queue.
class Input {
 public:
  // More than this is not queued.
  static constexpr size_t kMaxQueued = 16u << 20;

  Input(EventLoop& loop, Events events) : loop_(loop), events_(events) {}

  // `fd` does not block. Where input is acknowledged, `{:stdin_ack, bytes}` says that bytes are
  // with the kernel, and `{:stdin, :closed}`, once, that those which were taken and not
  // acknowledged never will be.
  void Open(UniqueFd fd, bool acknowledged);
  // The workload is dead.
  void Close();
  bool exists() const { return exists_; }

  // Takes all of the bytes: 0; or none: ENOBUFS where the queue is full, EPIPE after the end, or
  // where the workload has closed its own.
  int Take(std::string_view bytes);
  // How many bytes would be taken.
  size_t room() const { return fd_ && !ending_ ? kMaxQueued - queue_.size() : 0; }
  // Moves up to `most` bytes out of the pipe `from`, where none is queued: how many.
  size_t MoveFrom(int from, size_t most);
  // The end follows what is queued.
  void End();

  uint64_t bytes() const { return written_; }

 private:
  void OnRoom();
  size_t Feed(std::string_view bytes);
  void Count(size_t written);
  void Break();

  EventLoop& loop_;
  Events events_;
  UniqueFd fd_;
  EventLoop::Watch watch_;
  Buffer queue_;
  bool exists_ = false;
  bool acknowledged_ = false;
  bool ending_ = false;
  uint64_t written_ = 0;
  LargePipe large_;
};

}  // namespace linx

#endif  // LINX_INPUT_H_
