#include "pausing.h"

#include <cerrno>
#include <utility>

namespace linx {
namespace {

constexpr size_t kMaxAsked = 64;

}  // namespace

Pausing::Pausing(EventLoop& loop, int proc_fd, const Leaf* leaf, Events events)
    : events_(events), tree_(loop, proc_fd, Handler::To<&Pausing::OnDone>(this)) {
  if (leaf != nullptr) leaf_.emplace(loop, leaf, Handler::To<&Pausing::OnDone>(this));
}

int Pausing::Ask(CommandName what, TreeRoot root) {
  if (asked_.size() == kMaxAsked) return ENOBUFS;
  root_ = root;
  asked_.push_back(what);
  Next();
  return 0;
}

void Pausing::Next() {
  if (busy_ || asked_.empty()) return;
  busy_ = true;
  if (AsksToStop() == IsStopped()) return OnDone();
  if (AsksToStop()) return Stop();
  Continue();
}

void Pausing::OnDone() {
  busy_ = false;
  const CommandName done = asked_.front();
  asked_.pop_front();
  if (done == CommandName::resume) {
    events_.Resumed();
  } else if (IsStopped()) {
    events_.Paused();
  } else {
    events_.Refused(ETIMEDOUT, Name(done));
  }
  Next();
}

void Pausing::Release() {
  const bool letting_go = busy_ && !AsksToStop();
  std::deque<CommandName> kept;
  for (const CommandName what : asked_) {
    if (what == CommandName::resume) {
      kept.push_back(what);
    } else {
      events_.Refused(ECANCELED, Name(what));
    }
  }
  const bool held = busy_ || IsStopped();
  asked_ = std::move(kept);
  if (letting_go || !held) return;
  if (asked_.empty()) asked_.push_back(CommandName::resume);
  busy_ = true;
  Continue();
}

}  // namespace linx
