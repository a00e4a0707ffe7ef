#include "pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

namespace linx {

Status Pty::Open() {
  master_.Reset(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master_) return Error::Last(Stage::posix_openpt, "/dev/ptmx");
  int unlocked = 0;
  if (ioctl(master(), TIOCSPTLCK, &unlocked) < 0) return Error::Last(Stage::ptsetup);
  peer_.Reset(ioctl(master(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!peer_) return Error::Last(Stage::pts_open);
  return {};
}

void Pty::SetWinsize(const PtyWinsize& size) {
  struct winsize winsize = {};
  winsize.ws_row = size.rows;
  winsize.ws_col = size.cols;
  winsize.ws_xpixel = size.xpix;
  winsize.ws_ypixel = size.ypix;
  ioctl(master(), TIOCSWINSZ, &winsize);
}

bool Pty::Queue(std::string_view bytes) {
  if (input_.size() + bytes.size() > kMaxQueued) return false;
  input_.Append(bytes.data(), bytes.size());
  return true;
}

void Pty::Feed() {
  while (!input_.empty()) {
    const ssize_t n = write(master(), input_.data(), input_.size());
    if (n <= 0) break;
    input_.Consume(static_cast<size_t>(n));
  }
  input_.ShrinkTo(4096);
}

ssize_t Pty::Read(char* to, size_t size) {
  const ssize_t n = read(master(), to, size);
  if (n > 0) return n;
  return n < 0 && errno == EAGAIN ? 0 : -1;
}

}  // namespace linx
