#include "terminal.h"

#include <sys/epoll.h>

#include <utility>

namespace linx {
namespace {

// Output stops while this much waits for the BEAM.
constexpr size_t kOutboxHigh = 1u << 20;
// What is read of a terminal after its workload's death, at most: the kernel holds far less, so
// more comes from a stray writer.
constexpr size_t kDrainBytes = 256u << 10;

}  // namespace

Status Terminal::Start() {
  Result<EventLoop::Watch> added =
      loop_.Add(pty_.master(), EPOLLIN, Handler::To<&Terminal::OnReady>(this));
  if (!added.ok()) return added.error();
  watch_ = added.Take();
  return {};
}

bool Terminal::Type(std::string_view bytes) {
  if (!pty_.Queue(bytes)) return false;
  pty_.Feed();
  Want();
  return true;
}

void Terminal::Want() {
  if (draining_) return;
  watch_.Want((paused_ ? 0 : uint32_t{EPOLLIN}) | (pty_.has_input() ? uint32_t{EPOLLOUT} : 0));
}

void Terminal::OnReady() {
  pty_.Feed();
  if (!paused_) ReadFrame();
  Want();
}

// One frame of output. False where there is nothing to read now, or the outbox is full.
bool Terminal::ReadFrame() {
  if (events_.pending() > kOutboxHigh) {
    if (!std::exchange(paused_, true)) on_pause_();
    return false;
  }
  return events_.Output(Event::pty_out, Pty::kReadBytes, [this](char* to, size_t size) {
    // The terminal hands out a few kilobytes at a time.
    size_t got = 0;
    while (got < size) {
      const ssize_t n = pty_.Read(to + got, size - got);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    return got;
  }) > 0;
}

void Terminal::Resume() {
  if (!std::exchange(paused_, false)) return;
  if (draining_) return ReadRest();
  Want();
}

void Terminal::Drain() {
  draining_ = true;
  watch_.Reset();
  pty_.ClosePeer();
  ReadRest();
}

void Terminal::ReadRest() {
  size_t frames = kDrainBytes / Pty::kReadBytes;
  while (frames-- > 0 && ReadFrame()) {
  }
  if (!paused_) on_drained_();
}

}  // namespace linx
