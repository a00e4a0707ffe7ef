#include "pausing.h"

#include <cerrno>
#include <utility>

namespace linx {
namespace {

constexpr size_t kMaxAsked = 64;

}  // namespace

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
  if (AsksToStop() == tree_.stopped()) return OnDone();
  if (AsksToStop()) return tree_.Stop(root_);
  tree_.Continue();
}

void Pausing::OnDone() {
  busy_ = false;
  const CommandName done = asked_.front();
  asked_.pop_front();
  if (done == CommandName::resume) {
    events_.Resumed();
  } else if (tree_.stopped()) {
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
  const bool held = busy_ || tree_.stopped();
  asked_ = std::move(kept);
  if (letting_go || !held) return;
  if (asked_.empty()) asked_.push_back(CommandName::resume);
  busy_ = true;
  tree_.Continue();
}

}  // namespace linx
