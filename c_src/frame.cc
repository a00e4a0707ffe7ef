#include "frame.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace linx {

namespace {

constexpr size_t kHeaderBytes = 4;
// The least room a read is given.
constexpr size_t kReadBytes = 16u << 10;
// What an idle channel may keep. The outbox keeps more: a stream of output would otherwise fault
// its pages in anew at each turn.
constexpr size_t kKeepIn = 64u << 10;
constexpr size_t kKeepOut = 256u << 10;

void PutLength(char* at, size_t length) {
  for (size_t i = 0; i < kHeaderBytes; ++i) {
    at[i] = static_cast<char>(length >> (8 * (kHeaderBytes - 1 - i)));
  }
}

size_t GetLength(const char* at) {
  size_t length = 0;
  for (size_t i = 0; i < kHeaderBytes; ++i) length = length << 8 | static_cast<uint8_t>(at[i]);
  return length;
}

Io OutOfMemory() {
  errno = ENOMEM;
  return Io::error;
}

}  // namespace

Io FrameReader::Fill(int fd, size_t most) {
  DropDone();
  for (size_t left = most; left > 0;) {
    // In step with what has come, so that a large frame is read in large pieces.
    char* at = buffer_.Reserve(std::clamp(buffer_.size(), kReadBytes, kFillBytes));
    if (at == nullptr) return OutOfMemory();
    const size_t asked = std::min(buffer_.room(), left);
    const ssize_t n = read(fd, at, asked);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? Io::would_block : Io::error;
    if (n == 0) return Io::eof;
    buffer_.Commit(static_cast<size_t>(n));
    bytes_in_ += static_cast<size_t>(n);
    left -= static_cast<size_t>(n);
    DropDone();
    // Less than asked for: it is drained. Asking again would only say so.
    if (static_cast<size_t>(n) < asked) return Io::would_block;
  }
  return Io::more;
}

FrameReader::Frame FrameReader::Next() {
  DropDone();
  const size_t here = buffer_.size();
  const size_t length = here < kHeaderBytes ? 0 : GetLength(buffer_.data());
  const bool oversize = length > kMaxFrame;
  if (here < kHeaderBytes || here - kHeaderBytes < (oversize ? kPrefixBytes : length)) {
    buffer_.ShrinkTo(kKeepIn);
    return {};
  }
  done_ = kHeaderBytes + length;
  const char* body = buffer_.data() + kHeaderBytes;
  if (oversize) return {Frame::Kind::oversize, {body, kPrefixBytes}};
  return {Frame::Kind::complete, {body, length}};
}

FrameReader::Begun FrameReader::begun() const {
  if (done_ > 0 || buffer_.size() < kHeaderBytes) return {};
  return {GetLength(buffer_.data()),
          {buffer_.data() + kHeaderBytes, buffer_.size() - kHeaderBytes}};
}

std::string_view FrameReader::HandOver() {
  done_ = buffer_.size();
  return {buffer_.data(), buffer_.size()};
}

void FrameReader::DropDone() {
  const size_t here = std::min(done_, buffer_.size());
  buffer_.Consume(here);
  done_ -= here;
}

TermWriter Outbox::BeginFrame() {
  static constexpr char kUnknownLength[kHeaderBytes] = {};
  frame_ = buffer_.size();
  buffer_.Append(kUnknownLength, kHeaderBytes);
  TermWriter writer(&buffer_);
  writer.Version();
  return writer;
}

void Outbox::EndFrame() {
  if (buffer_.failed()) return;
  PutLength(buffer_.data() + frame_, buffer_.size() - frame_ - kHeaderBytes);
}

void Outbox::EndFrameFrom(int from, size_t size) {
  if (buffer_.failed()) return;
  PutLength(buffer_.data() + frame_, buffer_.size() - frame_ - kHeaderBytes + size);
  Flush(fd_);
  ssize_t n = 1;
  while (buffer_.empty() && size > 0 && n > 0) {
    n = splice(from, nullptr, fd_, nullptr, size, SPLICE_F_NONBLOCK);
    if (n <= 0) break;
    size -= static_cast<size_t>(n);
    bytes_out_ += static_cast<size_t>(n);
  }
  // What there was no room for.
  if (size > 0) large_.OnFull(fd_, bytes_out_);
  while (size > 0) {
    char* at = buffer_.Reserve(size);
    if (at == nullptr) return;
    n = read(from, at, size);
    // A workload can read its own stdout, by /proc/self/fd. The frame keeps its length all the
    // same.
    if (n <= 0) std::memset(at, 0, size);
    const size_t got = n > 0 ? static_cast<size_t>(n) : size;
    buffer_.Commit(got);
    size -= got;
  }
}

void Outbox::CancelFrame() { buffer_.Truncate(frame_); }

Io Outbox::Flush(int fd) {
  // A frame is missing or cut short from here on: what follows it could not be told from it.
  if (buffer_.failed()) return OutOfMemory();
  while (!buffer_.empty()) {
    const ssize_t n = write(fd, buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? Io::would_block : Io::error;
    buffer_.Consume(static_cast<size_t>(n));
    bytes_out_ += static_cast<size_t>(n);
  }
  buffer_.ShrinkTo(kKeepOut);
  return Io::would_block;
}

void Outbox::Discard() {
  buffer_.Consume(buffer_.size());
  buffer_.ShrinkTo(kKeepOut);
}

}  // namespace linx
