#include "handover.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "raw_syscall.h"

namespace linx {
namespace {

// Goes ahead of the image.
struct Header {
  void* plan;
};

// The child's channel, what becomes its fds 0, 1 and 2, and its cgroup if it has one.
constexpr size_t kInitFds = 4;
constexpr size_t kMaxFds = kInitFds + 1;

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

bool Send(int socket, const Region& image, void* plan, const int* fds, size_t count) {
  Message message(image.base(), image.used());
  message.header.plan = plan;
  if (count > 0) {
    struct cmsghdr* header = CMSG_FIRSTHDR(&message.head);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  }
  message.head.msg_controllen = count > 0 ? CMSG_SPACE(count * sizeof(int)) : 0;
  return sendmsg(socket, &message.head, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

struct Received {
  void* plan = nullptr;
  size_t used = 0;  // of the image
  int fds[kMaxFds] = {-1, -1, -1, -1, -1};
  size_t count = 0;
};

Received Receive(int socket, const PlanImage& image) {
  Message message(image.base, image.size);
  long n;
  do {
    n = raw::Call(SYS_recvmsg, socket, &message.head, MSG_CMSG_CLOEXEC);
  } while (n == -EINTR);
  Received received;
  if (n < static_cast<long>(sizeof(Header))) return received;
  received.plan = message.header.plan;
  received.used = static_cast<size_t>(n) - sizeof(Header);
  if (const struct cmsghdr* header = CMSG_FIRSTHDR(&message.head); header != nullptr) {
    const size_t bytes = header->cmsg_len - CMSG_LEN(0);
    std::memcpy(received.fds, CMSG_DATA(header), bytes);
    received.count = bytes / sizeof(int);
  }
  return received;
}

}  // namespace

bool SendPlan(int socket, const Region& image, const InitPlan& plan) {
  int fds[kMaxFds] = {plan.child.channel};
  for (int fd = 0; fd < 3; ++fd) {
    const int named = plan.child.stdio[fd];
    fds[1 + fd] = named < 0 ? fd : named;
  }
  fds[kInitFds] = plan.cgroup;
  const size_t count = plan.cgroup >= 0 ? kMaxFds : kInitFds;
  return Send(socket, image, const_cast<InitPlan*>(&plan), fds, count);
}

const InitPlan* ReceiveInitPlan(int socket, const PlanImage& image) {
  const Received received = Receive(socket, image);
  if (received.count < kInitFds) return nullptr;
  auto* plan = static_cast<InitPlan*>(received.plan);
  plan->channel = socket;
  plan->child.channel = received.fds[0];
  std::memcpy(plan->child.stdio, received.fds + 1, sizeof(plan->child.stdio));
  plan->cgroup = received.fds[kInitFds];
  plan->image.used = received.used;
  return plan;
}

bool SendPlan(int socket, const Region& image, ChildPlan* plan) {
  int fds[3];
  size_t count = 0;
  // On the way they are named by their places in the message.
  for (int& named : plan->stdio) {
    if (named < 0) continue;
    fds[count] = named;
    named = static_cast<int>(count++);
  }
  return Send(socket, image, plan, fds, count);
}

const ChildPlan* ReceiveChildPlan(int socket, PlanImage* image) {
  const Received received = Receive(socket, *image);
  auto* plan = static_cast<ChildPlan*>(received.plan);
  if (plan == nullptr) return nullptr;
  image->used = received.used;
  plan->channel = socket;
  for (int& named : plan->stdio) {
    if (named >= 0) named = received.fds[named];
  }
  return plan;
}

}  // namespace linx
