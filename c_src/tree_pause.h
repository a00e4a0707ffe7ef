// Stops all processes of a session and lets them go on, by SIGSTOP and SIGCONT.
#ifndef LINX_TREE_PAUSE_H_
#define LINX_TREE_PAUSE_H_

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "event_loop.h"
#include "tree_walk.h"

namespace linx {

class TreePause {
 public:
  // `on_done` is called when Stop or Continue has come to its end, also from within it. `proc_fd`
  // as for TreeWalk.
  TreePause(EventLoop& loop, int proc_fd, Handler on_done)
      : loop_(loop), proc_fd_(proc_fd), on_done_(on_done) {}
  // Whoever is still held is let go.
  ~TreePause();
  TreePause(const TreePause&) = delete;

  // Stops who is below `root`, again and again until a pass finds nobody who runs. A tree that
  // forks faster than it can be stopped is let go again after a while; then stopped() stays false.
  void Stop(TreeRoot root);
  // Lets go whom Stop has stopped, children before their parents: a shell that waits for a stopped
  // job would take it for suspended. Who was stopped before by somebody else stays so.
  void Continue();
  bool stopped() const { return stopped_; }

 private:
  struct Held {
    pid_t pid;
    uint64_t start_ticks;
  };

  void BeginPass();
  void Pass();
  void EndPass();
  void Meet(const TreeWalk::Found& found);
  void LetGo();
  void LetGoOne();

  EventLoop& loop_;
  const int proc_fd_;
  const Handler on_done_;
  TreeRoot root_;
  EventLoop::Timer timer_;
  std::optional<TreeWalk> walk_;
  std::vector<Held> held_;  // parents before their children
  std::unordered_map<pid_t, uint64_t> starts_;
  uint64_t deadline_us_ = 0;
  bool met_ = false;  // somebody in this pass who was not stopped yet
  bool stopped_ = false;
};

}  // namespace linx

#endif  // LINX_TREE_PAUSE_H_
