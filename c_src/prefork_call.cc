#include "prefork_call.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "channel.h"

namespace linx {
namespace {

constexpr char kMagic[] = {'P', 'F', 'I', '\n'};
constexpr size_t kGreetingHead = 8;
constexpr size_t kStatusSize = 4;
constexpr size_t kHeads = 4;

std::string BigEndian(uint32_t number) {
  const uint32_t bytes = htonl(number);
  return std::string(reinterpret_cast<const char*>(&bytes), sizeof(bytes));
}

uint32_t FromBigEndian(const char* bytes) {
  uint32_t number;
  std::memcpy(&number, bytes, sizeof(number));
  return ntohl(number);
}

bool MustWait() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

PreforkCall::PreforkCall(UniqueFd socket) : socket_(std::move(socket)) {
  // Where somebody did so in time, this changes nothing; where not, the kernel's word takes the
  // room in which a script could pass fds.
  (void)LearnMonitor(socket_.get());
}

Status PreforkCall::LearnMonitor(int socket) {
  const int on = 1;
  if (setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0) return {};
  return Error::Last(Stage::prefork_connect);
}

short PreforkCall::wants() const {
  switch (phase_) {
    case Phase::sending:
      return POLLOUT;
    case Phase::ended:
      return 0;
    default:
      return POLLIN;
  }
}

void PreforkCall::Advance() {
  for (bool more = true; more;) {
    switch (phase_) {
      case Phase::greeting:
        more = ReadGreeting();
        break;
      case Phase::greeted:
        more = AwaitRun();
        break;
      case Phase::sending:
        more = Send();
        break;
      case Phase::waiting:
        more = ReadStatus();
        break;
      case Phase::ended:
        return;
    }
  }
}

void PreforkCall::Run(const std::array<int, 3>& stdio, std::string settings) {
  stdio_ = stdio;
  settings_ = std::move(settings);
  if (phase_ == Phase::greeted) phase_ = Phase::sending;
}

void PreforkCall::HangUp() {
  hang_up_ = true;
  if (phase_ == Phase::waiting) shutdown(socket_.get(), SHUT_WR);
}

void PreforkCall::Close() { shutdown(socket_.get(), SHUT_RDWR); }

ssize_t PreforkCall::Read(void* bytes, size_t size) {
  struct iovec piece = {bytes, size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))] = {};
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t n = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return MustWait() ? 0 : -1;
  if (n == 0) {
    errno = 0;
    return -1;
  }
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_CREDENTIALS && monitor_ == 0) {
    struct ucred sender;
    std::memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    monitor_ = sender.pid;
  }
  return n;
}

bool PreforkCall::Fail(Stage stage, int code) {
  error_ = Error::Of(stage, code);
  phase_ = Phase::ended;
  return false;
}

// From errno as Read has left it.
bool PreforkCall::FailRead(Stage stage) { return Fail(stage, errno == 0 ? ECONNRESET : errno); }

bool PreforkCall::ReadGreeting() {
  if (received_.size() == kGreetingHead && extra_left_ == 0) {
    received_.clear();
    phase_ = Phase::greeted;
    return true;
  }
  const bool in_head = received_.size() < kGreetingHead;
  char bytes[512];
  const size_t wanted =
      in_head ? kGreetingHead - received_.size() : std::min<size_t>(extra_left_, sizeof(bytes));
  const ssize_t n = Read(bytes, wanted);
  if (n < 0) return FailRead(Stage::prefork_greeting);
  if (!in_head) {
    extra_left_ -= static_cast<uint32_t>(n);
    return n > 0;
  }
  received_.append(bytes, static_cast<size_t>(n));
  if (std::memcmp(received_.data(), kMagic, std::min(received_.size(), sizeof(kMagic))) != 0) {
    return Fail(Stage::prefork_greeting, EPROTO);
  }
  if (received_.size() == kGreetingHead) extra_left_ = FromBigEndian(&received_[sizeof(kMagic)]);
  if (extra_left_ > kMaxGreetingExtra) return Fail(Stage::prefork_greeting, EMSGSIZE);
  return n > 0;
}

// Nothing is to come before the run is sent.
bool PreforkCall::AwaitRun() {
  char byte;
  const ssize_t n = Read(&byte, 1);
  if (n == 0) return false;
  return n < 0 ? FailRead(Stage::prefork_greeting) : Fail(Stage::prefork_greeting, EPROTO);
}

bool PreforkCall::SendFds() {
  while (heads_sent_ < kHeads) {
    const char byte = 0;
    const int passed = heads_sent_ == 0 ? -1 : stdio_[heads_sent_ - 1];
    const long sent = SendRecord(socket_.get(), &byte, 1, passed, MSG_DONTWAIT);
    if (sent == -EAGAIN || sent == -EINTR) return false;
    if (sent < 0) return Fail(Stage::prefork_send, static_cast<int>(-sent));
    ++heads_sent_;
  }
  return true;
}

bool PreforkCall::Send() {
  if (!SendFds()) return false;
  while (sent_ < settings_.size()) {
    const ssize_t n = send(socket_.get(), settings_.data() + sent_, settings_.size() - sent_,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return MustWait() ? false : Fail(Stage::prefork_send, errno);
    sent_ += static_cast<size_t>(n);
  }
  settings_ = std::string();
  phase_ = Phase::waiting;
  if (hang_up_) HangUp();
  return true;
}

bool PreforkCall::ReadStatus() {
  char bytes[kStatusSize];
  const ssize_t n = Read(bytes, kStatusSize - received_.size());
  if (n < 0) {
    // The kernel's way to say that something was left unread; otherwise it is the mere end.
    if (errno == ECONNRESET) return Fail(Stage::prefork_send, ECONNRESET);
    return received_.empty() ? FailRead(Stage::prefork_status)
                             : Fail(Stage::prefork_status, EPROTO);
  }
  received_.append(bytes, static_cast<size_t>(n));
  if (received_.size() < kStatusSize) return n > 0;
  wait_status_ = static_cast<int>(FromBigEndian(received_.data()));
  phase_ = Phase::ended;
  return false;
}

std::string PreforkSettings(const std::vector<std::string>& env,
                            const std::vector<std::string>& args) {
  std::string strings;
  for (const std::string& setting : env) {
    if (!setting.empty()) strings.append(setting.c_str(), setting.size() + 1);
  }
  strings += '\0';
  for (const std::string& arg : args) strings.append(arg.c_str(), arg.size() + 1);
  return BigEndian(static_cast<uint32_t>(strings.size())) + strings;
}

std::string PreforkVariable(const struct timespec& made, const PreforkFds& fds) {
  char value[128];
  std::snprintf(value, sizeof(value), "v1,%lld.%09ld %d,%d,%d,%d",
                static_cast<long long>(made.tv_sec), made.tv_nsec, fds.listener, fds.call,
                fds.watcher, fds.warnings);
  return value;
}

}  // namespace linx
