// The channel's framing: four bytes of length, most significant first, then one term.
#ifndef LINX_FRAME_H_
#define LINX_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "buffer.h"
#include "large_pipe.h"
#include "protocol.h"
#include "term_writer.h"

namespace linx {

// What a read or a write of the channel came to.
enum class Io : uint8_t {
  more,         // the turn's share is used up, there may be more: come back, others first
  would_block,  // done with all that is there; poll
  eof,          // read: the other end closed. Frames received before it are still there
  error,        // errno says why; EPIPE where the reader is gone, ENOMEM where memory is out
};

// Cuts frames out of what arrives. It never waits for the rest of one, and its memory grows with
// the bytes that came, not with the length that was announced.
class FrameReader {
 public:
  // How much one Fill reads at most.
  static constexpr size_t kFillBytes = 256u << 10;
  // How much of an oversize frame is kept, to see whom it was meant for.
  static constexpr size_t kPrefixBytes = 16;

  struct Frame {
    enum class Kind : uint8_t {
      none,      // nothing complete is there
      complete,  // `body` is the frame
      oversize,  // a frame over kMaxFrame has begun; it is skipped. `body` is its first 16 bytes
    };
    Kind kind = Kind::none;
    std::string_view body;
    explicit operator bool() const { return kind != Kind::none; }
  };

  // Reads what a non-blocking fd has, or the first `most` bytes of that. Call Next until it has
  // none after any answer.
  Io Fill(int fd, size_t most = kFillBytes);
  // The next frame, in the order of arrival. Its body is good until the next call of either.
  Frame Next();

  // The frame that has begun and is not complete, where Next has none: its length and what has come
  // of its body.
  struct Begun {
    size_t length = 0;
    std::string_view body;
  };
  Begun begun() const;
  // Gives up all that is there, for whoever takes the frame that has begun from the fd himself.
  // Good until the next call of Fill.
  std::string_view HandOver();
  // So many of its bytes were taken.
  void CountTaken(size_t bytes) { bytes_in_ += bytes; }

  // The bytes of memory held.
  size_t memory() const { return buffer_.capacity(); }
  // Bytes received so far.
  uint64_t bytes_in() const { return bytes_in_; }

 private:
  void DropDone();

  Buffer buffer_;
  // Bytes of the frame that was handed out last: at the front, or of an oversize one yet to come.
  size_t done_ = 0;
  uint64_t bytes_in_ = 0;
};

// Frames on their way out, kept as they will be written, so that one write(2) carries all that a
// turn of the loop produced.
class Outbox {
 public:
  // A writer that stands at the frame's term. One frame is open at a time.
  TermWriter BeginFrame();
  void EndFrame();
  // Forgets the open frame: nothing of it is sent.
  void CancelFrame();

  // The pipe that Flush will write to. Frames may then end with bytes that are moved there from
  // another pipe without being copied.
  void Attach(int fd) { fd_ = fd; }
  bool CanMove() const { return fd_ >= 0 && buffer_.empty(); }
  // Ends a frame with the next `size` bytes of the pipe `from`, which holds as many.
  void EndFrameFrom(int from, size_t size);

  // Bytes that wait to be written.
  size_t pending() const { return buffer_.size(); }
  // Writes what a non-blocking fd takes. No frame is open. `would_block` with pending() == 0: all
  // is written; otherwise poll for room.
  Io Flush(int fd);
  // Forgets what waits to be written. No frame is open.
  void Discard();

  size_t memory() const { return buffer_.capacity(); }
  // Bytes written so far.
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  Buffer buffer_;
  int fd_ = -1;
  size_t frame_ = 0;  // where the open frame begins, counted from the front
  uint64_t bytes_out_ = 0;
  LargePipe large_;
};

}  // namespace linx

#endif  // LINX_FRAME_H_
