#include "syscall_listener.h"

#include <poll.h>
#include <seccomp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "proc_stat.h"
#include "usage.h"

namespace linx {
namespace {

// Told and not answered. Further calls wait in the kernel.
constexpr size_t kMaxPending = 256;
// Of the answered ones among them it is rid then.
constexpr size_t kMaxDeadlines = 4 * kMaxPending;
// A turn's share.
constexpr int kMaxAtOnce = 16;

}  // namespace

Status SyscallListener::Start(UniqueFd fd, int proc_fd, pid_t workload) {
  fd_ = std::move(fd);
  proc_fd_ = proc_fd;
  workload_ = workload;
  Result<EventLoop::Watch> watch =
      loop_.Add(fd_.get(), EPOLLIN, Handler::To<&SyscallListener::OnReadable>(this));
  if (!watch.ok()) return watch.error();
  watch_ = watch.Take();
  return {};
}

void SyscallListener::OnRunning() {
  running_ = true;
  if (held_) Tell(*std::exchange(held_, {}));
  if (watch_) watch_.Want(EPOLLIN);
}

void SyscallListener::OnReadable() {
  for (int i = 0; i < kMaxAtOnce; ++i) {
    if (held_ || pending_.size() >= kMaxPending) return watch_.Want(0);
    if (!ReceiveOne()) return;
  }
}

// Receiving waits where there is nothing, so it is asked for first.
bool SyscallListener::ReceiveOne() {
  struct pollfd listener = {fd_.get(), POLLIN, 0};
  if (poll(&listener, 1, 0) <= 0) return false;
  if ((listener.revents & POLLIN) == 0) {
    // Nobody is left whom the filter binds.
    watch_.Reset();
    return false;
  }
  struct seccomp_notif call = {};
  // ENOENT: the thread was killed meanwhile.
  if (ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
    return errno == ENOENT || errno == EINTR;
  }
  if (running_) {
    Tell(call);
  } else if (MadeByChild(call)) {
    Send(call.id, {call.id, SyscallAnswer::Kind::proceed, 0});
  } else {
    held_ = call;
  }
  return true;
}

bool SyscallListener::MadeByChild(const struct seccomp_notif& call) const {
  ProcStat stat;
  return static_cast<pid_t>(call.pid) == workload_ && ReadProcStat(proc_fd_, workload_, &stat) &&
         !stat.execed();
}

void SyscallListener::Tell(const struct seccomp_notif& call) {
  pending_.insert(call.id);
  if (deadlines_.size() >= kMaxDeadlines) DropAnswered();
  deadlines_.emplace_back(MonotonicUs() + uint64_t{timeout_.ms} * 1000, call.id);
  if (!timer_) ArmTimer();
  const std::unique_ptr<char, decltype(&free)> name(
      seccomp_syscall_resolve_num_arch(call.data.arch, call.data.nr), free);
  SyscallCall told = {};
  told.id = call.id;
  told.pid = static_cast<int>(call.pid);
  told.number = call.data.nr;
  if (name) told.name = name.get();
  told.arch = call.data.arch;
  told.instruction_pointer = call.data.instruction_pointer;
  std::copy(std::begin(call.data.args), std::end(call.data.args), told.args);
  events_.Syscall(told);
}

int SyscallListener::Answer(const SyscallAnswer& answer) {
  if (pending_.erase(answer.id) == 0) return ENOENT;
  const bool sent = Send(answer.id, answer);
  if (watch_ && running_) watch_.Want(EPOLLIN);
  return sent ? 0 : ENOENT;
}

// False where the thread does not wait any more.
bool SyscallListener::Send(uint64_t id, const SyscallAnswer& answer) {
  struct seccomp_notif_resp response = {};
  response.id = id;
  switch (answer.kind) {
    case SyscallAnswer::Kind::proceed:
      response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      break;
    case SyscallAnswer::Kind::fail:
      response.error = -static_cast<int32_t>(answer.value);
      break;
    case SyscallAnswer::Kind::give:
      response.val = answer.value;
      break;
  }
  return ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

void SyscallListener::DropAnswered() {
  deadlines_.erase(
      std::remove_if(deadlines_.begin(), deadlines_.end(),
                     [this](const auto& deadline) { return pending_.count(deadline.second) == 0; }),
      deadlines_.end());
}

void SyscallListener::ArmTimer() {
  while (!deadlines_.empty() && pending_.count(deadlines_.front().second) == 0) {
    deadlines_.pop_front();
  }
  if (deadlines_.empty()) return;
  const uint64_t now = MonotonicUs();
  const uint64_t due = deadlines_.front().first;
  const uint64_t ms = due > now ? (due - now + 999) / 1000 : 0;
  timer_ = loop_.After(static_cast<uint32_t>(ms), Handler::To<&SyscallListener::OnDeadline>(this));
}

void SyscallListener::OnDeadline() {
  const uint64_t now = MonotonicUs();
  while (!deadlines_.empty() && deadlines_.front().first <= now) {
    const uint64_t id = deadlines_.front().second;
    deadlines_.pop_front();
    (void)Answer({id, SyscallAnswer::Kind::fail, timeout_.code});
  }
  ArmTimer();
}

}  // namespace linx
