#include "reports.h"

#include <sys/socket.h>

#include <cerrno>

namespace linx {

Result<ChannelPair> MakeChannel() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
    return Error::Last(Stage::socketpair);
  }
  return ChannelPair{MoveHigh(UniqueFd(fds[0])), UniqueFd(fds[1])};
}

Got ReceiveReport(int channel, Report* report, UniqueFd* passed) {
  int fd = -1;
  long n = ReceiveRecord(channel, report, sizeof(*report), &fd, MSG_DONTWAIT);
  // Said once, ahead of what is still to be read: the other end left with orders unread.
  if (n == -ECONNRESET) n = ReceiveRecord(channel, report, sizeof(*report), &fd, MSG_DONTWAIT);
  if (fd >= 0) *passed = MoveHigh(UniqueFd(fd));
  if (n == -EAGAIN || n == -EINTR) return Got::nothing;
  return n == static_cast<long>(sizeof(*report)) ? Got::message : Got::closed;
}

}  // namespace linx
