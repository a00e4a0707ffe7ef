// Large frames of stdin, passed on as they come: neither kept until they are complete, nor copied
// where the workload's pipe has room.
#ifndef LINX_STDIN_PASS_H_
#define LINX_STDIN_PASS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "frame.h"
#include "session.h"
#include "stdin_head.h"

namespace linx {

class StdinPass {
 public:
  // Whether the frame that has begun may be one; then `head` says for whom.
  static bool Sees(const FrameReader& reader, bool envelope, StdinHead* head);
  // Takes it over: the first of its bytes are passed on. False where the session would refuse it:
  // then it is read and refused like any other.
  bool Begin(FrameReader& reader, const StdinHead& head, Session* session);

  bool is_active() const { return left_ > 0; }
  // Whether there is one, or likely will be.
  bool flows() const { return left_ > 0 || expected_head_ > 0; }
  uint64_t id() const { return id_; }
  // Passes on what has come of the rest. Without a session, or where that has closed its stdin, it
  // comes to nothing.
  Io Continue(FrameReader& reader, int fd, Session* session);

  // Notes a frame that came whole.
  void Note(std::string_view body, bool envelope);
  // How much to read next: after a large frame of stdin there is likely another, and only its head
  // should be read.
  size_t NextFill();

 private:
  uint64_t id_ = 0;
  size_t left_ = 0;
  size_t expected_head_ = 0;
};

}  // namespace linx

#endif  // LINX_STDIN_PASS_H_
