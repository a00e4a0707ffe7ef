// A pseudoterminal of a session: the agent holds the master, the workload the peer.
#ifndef LINX_PTY_H_
#define LINX_PTY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "buffer.h"
#include "command.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

class Pty {
 public:
  // Input that waits for a slow reader, at most; more is refused.
  static constexpr size_t kMaxQueued = 16u << 20;
  // One read of output, at most.
  static constexpr size_t kReadBytes = 64u << 10;

  // Errors: posix_openpt, ptsetup, pts_open. The peer is opened through the master (TIOCGPTPEER,
  // Linux 4.13), not by a path that a mount could replace.
  Status Open();

  int master() const { return master_.get(); }
  // The agent keeps the peer open while the workload lives, so that a workload which closes its
  // terminal and opens /dev/tty again does not read as a hang-up.
  int peer() const { return peer_.get(); }
  void ClosePeer() { peer_.Reset(); }

  void SetWinsize(const PtyWinsize& size);

  // Takes input; false where the queue is full, and then takes nothing.
  bool Queue(std::string_view bytes);
  bool has_input() const { return !input_.empty(); }
  // Writes what the terminal takes now.
  void Feed();

  // Reads output into `to`: its length; 0 with nothing there now; -1 when no writer is left.
  ssize_t Read(char* to, size_t size);

 private:
  UniqueFd master_, peer_;
  Buffer input_;
};

}  // namespace linx

#endif  // LINX_PTY_H_
