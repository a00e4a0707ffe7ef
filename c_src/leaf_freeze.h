// Stops all processes of a session's cgroup and lets them go on, by its freezer.
#ifndef LINX_LEAF_FREEZE_H_
#define LINX_LEAF_FREEZE_H_

#include "event_loop.h"
#include "leaf.h"

namespace linx {

class LeafFreeze {
 public:
  // `on_done` is called when Stop or Continue has come to its end, also from within it. The leaf is
  // borrowed.
  LeafFreeze(EventLoop& loop, const Leaf* leaf, Handler on_done)
      : loop_(loop), leaf_(leaf), on_done_(on_done) {}
  // Lets all go on.
  ~LeafFreeze();
  LeafFreeze(const LeafFreeze&) = delete;

  // What cannot be frozen within a while is let go again; then stopped() stays false.
  void Stop();
  void Continue();
  bool stopped() const { return stopped_; }

 private:
  void Look();

  EventLoop& loop_;
  const Leaf* const leaf_;
  const Handler on_done_;
  EventLoop::Watch watch_;
  EventLoop::Timer timer_;
  bool stopping_ = false;
  bool stopped_ = false;
};

}  // namespace linx

#endif  // LINX_LEAF_FREEZE_H_
