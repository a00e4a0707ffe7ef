#include "reports.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace linx {

Got ReceiveReport(int channel, Report* report, UniqueFd* passed) {
  struct iovec data = {report, sizeof(*report)};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  constexpr int kFlags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT;
  ssize_t n = recvmsg(channel, &message, kFlags);
  // Said once, ahead of what is still to be read: the other end left with orders unread.
  if (n < 0 && errno == ECONNRESET) n = recvmsg(channel, &message, kFlags);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? Got::nothing : Got::closed;
  for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_type != SCM_RIGHTS) continue;
    int received;
    std::memcpy(&received, CMSG_DATA(header), sizeof(received));
    *passed = MoveHigh(UniqueFd(received));
  }
  return n == static_cast<ssize_t>(sizeof(*report)) ? Got::message : Got::closed;
}

}  // namespace linx
