// The agent's ends of the channels to a child and an init, for tests that play the agent.
#ifndef LINX_TEST_CHANNEL_H_
#define LINX_TEST_CHANNEL_H_

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "channel.h"
#include "test_process.h"

namespace linx::test {

struct Channel {
  Channel() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) std::abort();
    ours.Reset(fds[0]);
    theirs.Reset(fds[1]);
  }

  // The next report; nothing at the end and at the deadline. An fd that comes with it goes to
  // `passed`.
  std::optional<Report> Next(UniqueFd* passed = nullptr) {
    theirs.Reset();
    Report report;
    struct iovec data = {&report, sizeof(report)};
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    if (!Readable(ours.get())) return {};
    if (recvmsg(ours.get(), &message, MSG_CMSG_CLOEXEC) != sizeof(report)) return {};
    if (const struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
      UniqueFd owner(fd);
      if (passed != nullptr) *passed = std::move(owner);
    }
    return report;
  }

  // Whether the other end closes without another word.
  bool Ends() {
    theirs.Reset();
    char byte;
    return Readable(ours.get()) && recv(ours.get(), &byte, 1, 0) == 0;
  }

  void Send(Order order, const std::string& body = {}) {
    std::string record(reinterpret_cast<const char*>(&order), sizeof(order));
    record += body;
    send(ours.get(), record.data(), record.size(), MSG_NOSIGNAL);
  }
  void Send(Order::Kind kind, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0) {
    Order order = {};
    order.kind = kind;
    order.given = 7;
    order.mask[0] = a;
    order.mask[1] = b;
    order.mask[2] = c;
    Send(order);
  }
  void SendFilter(const std::string& program) {
    Order order = {};
    order.kind = Order::Kind::filter;
    order.try_now = 1;
    order.size = static_cast<uint32_t>(program.size());
    Send(order, program);
  }

  UniqueFd ours, theirs;
};

// cBPF as it goes over the wire.
inline std::string Program(const std::vector<struct sock_filter>& instructions) {
  return std::string(reinterpret_cast<const char*>(instructions.data()), instructions.size() * 8);
}

// A filter with one answer to every call.
inline std::string AlwaysReturn(uint32_t action) {
  return Program({BPF_STMT(BPF_RET | BPF_K, action)});
}

// A filter with its own answer to one call of this architecture, which is not looked at.
inline std::string ReturnOn(long call, uint32_t action) {
  return Program({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1),
                  BPF_STMT(BPF_RET | BPF_K, action),
                  BPF_STMT(BPF_RET | BPF_K, 0x7fff0000U /* allow */)});
}

// From now on the call is one that this kernel does not have, or that a filter forbids.
inline bool Refuse(long call, uint32_t code = ENOSYS) {
  const std::string program = ReturnOn(call, SECCOMP_RET_ERRNO | code);
  struct sock_fprog filter = {};
  filter.len = static_cast<unsigned short>(program.size() / 8);
  filter.filter = reinterpret_cast<struct sock_filter*>(const_cast<char*>(program.data()));
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

}  // namespace linx::test

#endif  // LINX_TEST_CHANNEL_H_
