#include "leaf_freeze.h"

#include <sys/epoll.h>

namespace linx {
namespace {

constexpr uint32_t kGiveUpMs = 5000;

}  // namespace

LeafFreeze::~LeafFreeze() {
  if (stopping_ || stopped_) leaf_->Freeze(false);
}

void LeafFreeze::Stop() {
  stopping_ = true;
  Result<EventLoop::Watch> added =
      loop_.Add(leaf_->events_fd(), EPOLLPRI, Handler::To<&LeafFreeze::Look>(this));
  if (added.ok()) watch_ = added.Take();
  timer_ = loop_.After(kGiveUpMs, Handler::To<&LeafFreeze::Continue>(this));
  leaf_->Freeze(true);
  Look();
}

void LeafFreeze::Look() {
  if (!leaf_->frozen()) return;
  watch_.Reset();
  timer_.Reset();
  stopping_ = false;
  stopped_ = true;
  on_done_();
}

void LeafFreeze::Continue() {
  watch_.Reset();
  timer_.Reset();
  stopping_ = false;
  stopped_ = false;
  leaf_->Freeze(false);
  on_done_();
}

}  // namespace linx
