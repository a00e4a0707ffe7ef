#include "input.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace linx {

void Input::Open(UniqueFd fd, bool acknowledged) {
  exists_ = true;
  fd_ = std::move(fd);
  acknowledged_ = acknowledged;
}

int Input::Take(std::string_view bytes) {
  if (!fd_ || ending_) return EPIPE;
  if (bytes.size() > kMaxQueued - queue_.size()) return ENOBUFS;
  // Straight from the frame, where nothing waits.
  if (queue_.empty()) bytes.remove_prefix(Feed(bytes));
  if (!fd_ || bytes.empty()) return 0;
  queue_.Append(bytes.data(), bytes.size());
  if (queue_.failed()) {
    Break();
    return 0;
  }
  // Outside the set it cannot fail.
  if (!watch_) watch_ = loop_.Add(fd_.get(), 0, Handler::To<&Input::OnRoom>(this)).Take();
  watch_.Want(EPOLLOUT);
  return 0;
}

void Input::OnRoom() {
  const size_t written = Feed({queue_.data(), queue_.size()});
  if (!fd_) return;
  queue_.Consume(written);
  if (!queue_.empty()) return;
  queue_.ShrinkTo(0);
  watch_.Want(0);
  if (ending_) Close();
}

// One write: what it leaves there is no room for.
size_t Input::Feed(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const ssize_t n = write(fd_.get(), bytes.data(), bytes.size());
  const size_t written = n > 0 ? static_cast<size_t>(n) : 0;
  Count(written);
  if (n < 0 && errno != EAGAIN) {
    Break();
  } else if (written < bytes.size()) {
    large_.OnFull(fd_.get(), written_);
  }
  return written;
}

size_t Input::MoveFrom(int from, size_t most) {
  if (!fd_ || !queue_.empty()) return 0;
  const ssize_t n = splice(from, nullptr, fd_.get(), nullptr, most, SPLICE_F_NONBLOCK);
  if (n <= 0) return 0;
  Count(static_cast<size_t>(n));
  return static_cast<size_t>(n);
}

void Input::Count(size_t written) {
  written_ += written;
  if (acknowledged_ && written > 0) events_.StdinAck(written);
}

void Input::End() {
  ending_ = true;
  if (queue_.empty()) Close();
}

void Input::Close() {
  if (!queue_.empty()) return Break();
  watch_.Reset();
  fd_.Reset();
}

// What is queued reaches nobody any more.
void Input::Break() {
  queue_.Consume(queue_.size());
  queue_.ShrinkTo(0);
  Close();
  if (acknowledged_) events_.StdinClosed();
}

}  // namespace linx
