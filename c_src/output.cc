#include "output.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace linx {
namespace {

// One frame, at most: so much of a turn of the loop goes to one stream.
constexpr size_t kFrameBytes = 64u << 10;
// The same where nothing is copied. Less than the second is copied all the same: that is quicker.
constexpr size_t kMovedFrameBytes = 256u << 10;
constexpr size_t kMoveBytes = 16u << 10;
constexpr int kUsualPipeBytes = 64 << 10;
// Output stops while this much waits for the BEAM.
constexpr size_t kOutboxHigh = 256u << 10;
// What is read of a terminal after its workload's death, at most: the kernel holds far less, so
// more comes from a stray writer.
constexpr size_t kTerminalRest = 256u << 10;

}  // namespace

void Output::Open(UniqueFd fd, Source source, Event name, std::optional<uint32_t> window) {
  exists_ = true;
  fd_ = std::move(fd);
  source_ = source;
  name_ = name;
  window_ = window;
}

void Output::Close() {
  watch_.Reset();
  fd_.Reset();
}

Status Output::Start() {
  Result<EventLoop::Watch> added =
      loop_.Add(fd_.get(), EPOLLIN, Handler::To<&Output::OnReady>(this));
  if (!added.ok()) return added.error();
  watch_ = added.Take();
  return {};
}

// How much may be read now.
size_t Output::Allowed() const {
  if (rest_ > 0) return rest_;
  if (!window_) return SIZE_MAX;
  const uint64_t unacked = sent_ - acked_;
  return unacked >= *window_ ? 0 : *window_ - unacked;
}

void Output::Want() { watch_.Want(paused_ || Allowed() == 0 ? 0 : uint32_t{EPOLLIN}); }

void Output::OnReady() {
  if (ReadFrame() == Read::end) End();
  Want();
  if (draining_ && done()) on_done_();
}

size_t Output::Fill(char* to, size_t size, Read* result) {
  size_t got = 0;
  while (got < size) {
    const ssize_t n = read(fd_.get(), to + got, size - got);
    if (n <= 0) {
      if (got == 0 && (n == 0 || errno != EAGAIN)) *result = Read::end;
      break;
    }
    got += static_cast<size_t>(n);
    *result = Read::some;
    // A terminal hands out a few kilobytes at a time, a pipe all that it has.
    if (source_ == Source::pipe) break;
  }
  return got;
}

// Much output of a pipe is moved to the BEAM's. Whether there is much costs a call to know, so it
// is asked only after much has come.
size_t Output::Move(size_t allowed) {
  if (!flows_ || !events_.CanMove()) return 0;
  int unread = 0;
  if (ioctl(fd_.get(), FIONREAD, &unread) < 0) return 0;
  const size_t size = std::min({static_cast<size_t>(unread), allowed, kMovedFrameBytes});
  flows_ = size >= kMoveBytes;
  if (!flows_) return 0;
  events_.OutputFrom(fd_.get(), name_, size);
  if (unread >= kUsualPipeBytes) large_.OnFull(fd_.get(), sent_);
  return size;
}

Output::Read Output::ReadFrame() {
  const size_t allowed = Allowed();
  if (paused_ || allowed == 0) return Read::nothing;
  if (events_.pending() > kOutboxHigh) {
    paused_ = true;
    on_pause_();
    return Read::nothing;
  }
  Read result = Read::some;
  size_t got = Move(allowed);
  if (got == 0) {
    result = Read::nothing;
    got = events_.Output(name_, std::min(allowed, kFrameBytes),
                         [&](char* to, size_t size) { return Fill(to, size, &result); });
    flows_ = source_ == Source::pipe && got >= kMoveBytes;
  }
  sent_ += got;
  rest_ = result == Read::some ? rest_ - std::min(rest_, got) : 0;
  return result;
}

void Output::Resume() {
  if (!std::exchange(paused_, false) || !watch_) return;
  if (!draining_) return Want();
  ReadRest();
  if (done()) on_done_();
}

bool Output::Ack(uint64_t bytes) {
  if (bytes > sent_ - acked_) return false;
  acked_ += bytes;
  Want();
  return true;
}

void Output::Drain() {
  draining_ = true;
  if (!watch_) return;
  if (source_ == Source::terminal) {
    rest_ = kTerminalRest;
    expired_ = true;
  } else {
    int unread = 0;
    ioctl(fd_.get(), FIONREAD, &unread);
    rest_ = static_cast<size_t>(unread);
  }
  ReadRest();
}

// What the workload left, and the end where it is there.
void Output::ReadRest() {
  while (rest_ > 0 && ReadFrame() == Read::some) {
  }
  if (rest_ == 0 && (expired_ || HasHungUp())) return End();
  Want();
}

// Whether nothing is there and nothing can come. Unlike a read it needs no room in the window.
bool Output::HasHungUp() const {
  struct pollfd fd = {fd_.get(), POLLIN, 0};
  return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) == 0;
}

void Output::Expire() {
  expired_ = true;
  if (watch_ && rest_ == 0) End();
}

void Output::End() {
  watch_.Reset();
  fd_.Reset();
  if (source_ == Source::pipe) events_.Eof(name_);
}

}  // namespace linx
