// A session's pauses: what was asked for is done in its order, and each is answered when it is so.
#ifndef LINX_PAUSING_H_
#define LINX_PAUSING_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "event_loop.h"
#include "events.h"
#include "leaf_freeze.h"
#include "tree_pause.h"

namespace linx {

class Pausing {
 public:
  // By the freezer of `leaf`, which is borrowed, or signal by signal where it is null.
  Pausing(EventLoop& loop, int proc_fd, const Leaf* leaf, Events events);

  // Asks that the processes below `root` be stopped, or let go. `paused` or `resumed` is said when
  // that is done, or a refusal with ETIMEDOUT. Answers an errno where too much is asked at a time,
  // and 0 otherwise.
  int Ask(CommandName what, TreeRoot root);
  // Lets all go on, for a signal that they are to act upon. What is asked and not done is refused
  // with ECANCELED, but for what asks for this.
  void Release();

 private:
  bool AsksToStop() const { return asked_.front() == CommandName::pause; }
  bool IsStopped() const { return leaf_ ? leaf_->stopped() : tree_.stopped(); }
  void Stop() { leaf_ ? leaf_->Stop() : tree_.Stop(root_); }
  void Continue() { leaf_ ? leaf_->Continue() : tree_.Continue(); }
  void Next();
  void OnDone();

  Events events_;
  std::optional<LeafFreeze> leaf_;
  TreePause tree_;
  TreeRoot root_;
  std::deque<CommandName> asked_;  // the first is being done while busy_
  bool busy_ = false;
};

}  // namespace linx

#endif  // LINX_PAUSING_H_
