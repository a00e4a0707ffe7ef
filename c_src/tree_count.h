// Adds up what the processes of a session use, over several turns of the loop where they are many.
#ifndef LINX_TREE_COUNT_H_
#define LINX_TREE_COUNT_H_

#include <optional>

#include "event_loop.h"
#include "leaf.h"
#include "session_stats.h"
#include "tree_walk.h"

namespace linx {

class TreeCount {
 public:
  // `on_done` is called when a count is complete; it may start another.
  TreeCount(EventLoop& loop, Handler on_done) : loop_(loop), on_done_(on_done) {}

  // Begins a count, unless one is under way; may call `on_done` at once. The files of `workload`
  // are counted for it. Who is in `leaf`, unless it is null, counts too, wherever his parents are.
  void Start(int proc_fd, TreeRoot root, pid_t workload, const Leaf* leaf = nullptr);
  const TreeUse& use() const { return use_; }

 private:
  void GoOn();
  void Add(const TreeWalk::Found& found);

  EventLoop& loop_;
  const Handler on_done_;
  EventLoop::Timer timer_;
  std::optional<TreeWalk> walk_;
  pid_t workload_ = 0;
  TreeUse use_;
};

}  // namespace linx

#endif  // LINX_TREE_COUNT_H_
