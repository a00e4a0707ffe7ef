#include "handover.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "raw_syscall.h"

namespace linx {
namespace {

// Goes ahead of the image.
struct Header {
  InitPlan* plan;
};

// The child's channel, what becomes its fds 0, 1 and 2, and its cgroup if it has one.
constexpr size_t kFds = 4;
constexpr size_t kMaxFds = kFds + 1;

struct Message {
  Header header = {};
  struct iovec parts[2] = {};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  struct msghdr head = {};

  Message(char* image, size_t size) {
    parts[0] = {&header, sizeof(header)};
    parts[1] = {image, size};
    head.msg_iov = parts;
    head.msg_iovlen = 2;
    head.msg_control = control;
    head.msg_controllen = sizeof(control);
  }
};

}  // namespace

bool SendPlan(int socket, const Region& image, const InitPlan& plan) {
  Message message(image.base(), image.used());
  message.header.plan = const_cast<InitPlan*>(&plan);
  struct cmsghdr* header = CMSG_FIRSTHDR(&message.head);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  const size_t count = plan.cgroup >= 0 ? kMaxFds : kFds;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  message.head.msg_controllen = CMSG_SPACE(count * sizeof(int));
  int fds[kMaxFds] = {plan.child.channel};
  for (int fd = 0; fd < 3; ++fd) {
    const int named = plan.child.stdio[fd];
    fds[1 + fd] = named < 0 ? fd : named;
  }
  fds[kFds] = plan.cgroup;
  std::memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  return sendmsg(socket, &message.head, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

const InitPlan* ReceivePlan(int socket, const InitImage& image) {
  Message message(image.base, image.size);
  long n;
  do {
    n = raw::Call(SYS_recvmsg, socket, &message.head, MSG_CMSG_CLOEXEC);
  } while (n == -EINTR);
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message.head);
  if (n < static_cast<long>(sizeof(Header)) || header == nullptr) return nullptr;
  const size_t bytes = header->cmsg_len - CMSG_LEN(0);
  if (bytes != kFds * sizeof(int) && bytes != kMaxFds * sizeof(int)) return nullptr;
  int fds[kMaxFds] = {-1, -1, -1, -1, -1};
  std::memcpy(fds, CMSG_DATA(header), bytes);
  InitPlan* plan = message.header.plan;
  plan->channel = socket;
  plan->child.channel = fds[0];
  std::memcpy(plan->child.stdio, fds + 1, sizeof(plan->child.stdio));
  plan->cgroup = fds[kFds];
  plan->image.used = static_cast<size_t>(n) - sizeof(Header);
  return plan;
}

}  // namespace linx
