#include "event_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <ctime>

namespace linx {
namespace {

int64_t NowMs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

EventLoop::Watch& EventLoop::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    Reset();
    loop_ = std::exchange(other.loop_, nullptr);
    slot_ = other.slot_;
  }
  return *this;
}

void EventLoop::Watch::Want(uint32_t events) {
  if (loop_ != nullptr) loop_->Update(slot_, events);
}

void EventLoop::Watch::Reset() {
  if (loop_ == nullptr) return;
  loop_->Update(slot_, 0);
  ++loop_->slots_[slot_].generation;
  loop_->free_.push_back(slot_);
  loop_ = nullptr;
}

EventLoop::Timer& EventLoop::Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    Reset();
    loop_ = std::exchange(other.loop_, nullptr);
    key_ = other.key_;
  }
  return *this;
}

EventLoop::Timer::operator bool() const {
  return loop_ != nullptr && loop_->timers_.count(key_) != 0;
}

void EventLoop::Timer::Reset() {
  if (loop_ != nullptr) loop_->timers_.erase(key_);
  loop_ = nullptr;
}

Status EventLoop::Open() {
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return Error::Last(Stage::epoll);
  return {};
}

Result<EventLoop::Watch> EventLoop::Add(int fd, uint32_t events, Handler handler) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
  }
  Slot& entry = slots_[slot];
  struct epoll_event event = {};
  event.events = events;
  event.data.u64 = uint64_t{entry.generation} << 32 | slot;
  if (events != 0 && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
    if (free_.empty()) slots_.pop_back();
    return Error::Last(Stage::epoll);
  }
  if (!free_.empty()) free_.pop_back();
  entry.fd = fd;
  entry.events = events;
  entry.handler = handler;
  Watch watch;
  watch.loop_ = this;
  watch.slot_ = slot;
  return watch;
}

void EventLoop::Update(uint32_t slot, uint32_t events) {
  Slot& entry = slots_[slot];
  if (entry.events == events) return;
  struct epoll_event event = {};
  event.events = events;
  event.data.u64 = uint64_t{entry.generation} << 32 | slot;
  const int change = events == 0         ? EPOLL_CTL_DEL
                     : entry.events == 0 ? EPOLL_CTL_ADD
                                         : EPOLL_CTL_MOD;
  epoll_ctl(epoll_.get(), change, entry.fd, &event);
  entry.events = events;
}

EventLoop::Timer EventLoop::After(uint32_t ms, Handler handler) {
  Timer timer;
  timer.loop_ = this;
  timer.key_ = {NowMs() + ms, timer_count_++};
  timers_.emplace(timer.key_, handler);
  return timer;
}

void EventLoop::Turn(int limit_ms) {
  int64_t wait = limit_ms;
  if (!timers_.empty()) {
    const int64_t due = std::max<int64_t>(timers_.begin()->first.first - NowMs(), 0);
    wait = wait < 0 ? due : std::min(wait, due);
  }
  struct epoll_event events[64];
  const int n =
      epoll_wait(epoll_.get(), events, 64, static_cast<int>(std::min<int64_t>(wait, 1 << 30)));
  for (int i = 0; i < n; ++i) {
    const auto slot = static_cast<uint32_t>(events[i].data.u64);
    const auto generation = static_cast<uint32_t>(events[i].data.u64 >> 32);
    // An earlier handler of this turn may have ended this one's Watch.
    if (slots_[slot].generation != generation || slots_[slot].events == 0) continue;
    const Handler handler = slots_[slot].handler;
    handler();
  }
  if (!timers_.empty()) RunTimers();
}

void EventLoop::RunTimers() {
  const int64_t now = NowMs();
  // A handler may start a timer that is due at once: that one waits for the next turn.
  const uint64_t until = timer_count_;
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    if (first->first.first > now || first->first.second >= until) return;
    const Handler handler = first->second;
    timers_.erase(first);
    handler();
  }
}

}  // namespace linx
