// A pseudoterminal of a session: the agent holds the master, the workload the peer.
#ifndef LINX_PTY_H_
#define LINX_PTY_H_

#include <utility>

#include "command.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

class Pty {
 public:
  // Errors: posix_openpt, ptsetup, pts_open. The peer is opened through the master (TIOCGPTPEER,
  // Linux 4.13), not by a path that a mount could replace.
  Status Open();

  // The agent's end, which does not block. From then on the Pty has the peer only.
  UniqueFd TakeMaster() { return MoveHigh(std::move(master_)); }
  // The agent keeps the peer open while the workload lives, so that a workload which closes its
  // terminal and opens /dev/tty again does not read as a hang-up.
  int peer() const { return peer_.get(); }
  void ClosePeer() { peer_.Reset(); }

  void SetWinsize(const PtyWinsize& size);

 private:
  UniqueFd master_, peer_;
};

}  // namespace linx

#endif  // LINX_PTY_H_
