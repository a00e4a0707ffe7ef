#include "leaf_end.h"

#include <sys/epoll.h>

#include <algorithm>

namespace linx {
namespace {

// What is removed in one turn: a few hundred microseconds' worth.
constexpr size_t kRemovalsPerTurn = 32;
// When to look again without having heard anything: who died, or was moved in by others, may have
// been missed.
constexpr uint32_t kTickMs = 100;
// The first of these times where who is in it is killed one by one; each is twice the one before.
constexpr uint32_t kFirstPollMs = 1;
// A cgroup that cannot be removed, though nobody is in it, is left where it is after that long.
constexpr int kMaxFailures = 20;

}  // namespace

void LeafEnd::Begin() {
  // Mostly nobody and nothing is left in it.
  removal_.emplace(leaf_->parent_fd(), leaf_->name());
  if (removal_->Remove(1) == CgroupRemoval::State::gone) return Gone();
  if (leaf_->kills_all()) {
    Result<EventLoop::Watch> added =
        loop_.Add(leaf_->events_fd(), EPOLLPRI, Handler::To<&LeafEnd::GoOn>(this));
    if (added.ok()) watch_ = added.Take();
  }
  GoOn();
}

void LeafEnd::GoOn() {
  leaf_->Kill();
  uint32_t wait_ms = kTickMs;
  if (!leaf_->kills_all()) {
    wait_ms = poll_ms_ = std::clamp(2 * poll_ms_, kFirstPollMs, kTickMs);
  }
  // Reading it also makes the watch wait for the next change.
  if (!leaf_->populated()) {
    switch (removal_->Remove(kRemovalsPerTurn)) {
      case CgroupRemoval::State::gone:
        return Gone();
      case CgroupRemoval::State::more:
        wait_ms = 0;
        break;
      case CgroupRemoval::State::busy:
        // Who is below has not been killed where that is done one by one.
        if (removal_->KillMembers()) break;
        [[fallthrough]];
      case CgroupRemoval::State::failed:
        if (++failures_ == kMaxFailures) return Gone();
        wait_ms = kTickMs;
        break;
    }
  }
  timer_ = loop_.After(wait_ms, Handler::To<&LeafEnd::GoOn>(this));
}

void LeafEnd::Gone() {
  watch_.Reset();
  timer_.Reset();
  leaf_->Forget();
  on_gone_();
}

}  // namespace linx
