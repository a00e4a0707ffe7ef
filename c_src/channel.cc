#include "channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include "raw_syscall.h"

namespace linx {

long SendRecord(int channel, const void* record, size_t size, int fd, int flags) {
  struct iovec data = {const_cast<void*>(record), size};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  const long rc = raw::Call(SYS_sendmsg, channel, &message, MSG_NOSIGNAL | flags);
  return rc < 0 ? rc : 0;
}

long ReceiveRecord(int channel, void* record, size_t size, int* fd, int flags) {
  struct iovec data = {record, size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const long n = raw::Call(SYS_recvmsg, channel, &message, MSG_CMSG_CLOEXEC | flags);
  const struct cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr) std::memcpy(fd, CMSG_DATA(header), sizeof(*fd));
  return n;
}

}  // namespace linx
