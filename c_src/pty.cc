#include "pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace linx {

Status Pty::Open() {
  master_.Reset(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master_) return Error::Last(Stage::posix_openpt, "/dev/ptmx");
  int unlocked = 0;
  if (ioctl(master_.get(), TIOCSPTLCK, &unlocked) < 0) return Error::Last(Stage::ptsetup);
  peer_.Reset(ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!peer_) return Error::Last(Stage::pts_open);
  return {};
}

void Pty::SetWinsize(const PtyWinsize& size) {
  struct winsize winsize = {};
  winsize.ws_row = size.rows;
  winsize.ws_col = size.cols;
  winsize.ws_xpixel = size.xpix;
  winsize.ws_ypixel = size.ypix;
  // The same from either end.
  ioctl(peer(), TIOCSWINSZ, &winsize);
}

}  // namespace linx
