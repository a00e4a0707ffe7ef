// The end of a session's cgroup: whatever is in it is killed, and it is removed with all below it.
#ifndef LINX_LEAF_END_H_
#define LINX_LEAF_END_H_

#include <cstdint>
#include <optional>

#include "cgroup_removal.h"
#include "event_loop.h"
#include "leaf.h"

namespace linx {

class LeafEnd {
 public:
  // `on_gone` is called when it is gone, also from within Begin, and then the last thing that is
  // done with the LeafEnd. The leaf is borrowed.
  LeafEnd(EventLoop& loop, Leaf* leaf, Handler on_gone)
      : loop_(loop), leaf_(leaf), on_gone_(on_gone) {}

  void Begin();

 private:
  void GoOn();
  void Gone();

  EventLoop& loop_;
  Leaf* const leaf_;
  const Handler on_gone_;
  EventLoop::Watch watch_;
  EventLoop::Timer timer_;
  std::optional<CgroupRemoval> removal_;
  uint32_t poll_ms_ = 0;
  int failures_ = 0;
};

}  // namespace linx

#endif  // LINX_LEAF_END_H_
