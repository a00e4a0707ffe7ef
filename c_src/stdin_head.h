// The head of a frame of stdin, known before all of its bytes have come.
#ifndef LINX_STDIN_HEAD_H_
#define LINX_STDIN_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace linx {

// `{id, {:stdin, binary}}`, or without an id. Whatever the binary's bytes are, the frame is valid.
struct StdinHead {
  uint64_t id = 0;
  size_t size = 0;   // of the head itself
  size_t bytes = 0;  // of the binary
};

// False where a frame of `length` bytes that begins with `begin` is another, or does not show yet.
bool ReadStdinHead(std::string_view begin, size_t length, bool envelope, StdinHead* head);

}  // namespace linx

#endif  // LINX_STDIN_HEAD_H_
