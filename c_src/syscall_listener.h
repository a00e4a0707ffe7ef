// The calls that a session's filter has notified: tells the BEAM of each and carries out what it
// answers, or in time what happens by default.
//
// Nothing of the child's own, up to its exec, is told or waits: those calls are carried out at
// once. What a workload does between its exec and the session's `running` waits for that.
#ifndef LINX_SYSCALL_LISTENER_H_
#define LINX_SYSCALL_LISTENER_H_

#include <linux/seccomp.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_set>
#include <utility>

#include "command.h"
#include "event_loop.h"
#include "events.h"
#include "request.h"
#include "unique_fd.h"

namespace linx {

class SyscallListener {
 public:
  SyscallListener(EventLoop& loop, Events events, SyscallTimeout timeout)
      : loop_(loop), events_(events), timeout_(timeout) {}

  // `proc_fd` as ReadProcStat has it, borrowed; `workload` is who execs. Errors: epoll.
  Status Start(UniqueFd fd, int proc_fd, pid_t workload);
  // The workload runs: the BEAM may be told.
  void OnRunning();
  // 0, or the errno to refuse with: ENOENT where the call was answered already or was in vain.
  int Answer(const SyscallAnswer& answer);

 private:
  void OnReadable();
  void OnDeadline();
  bool ReceiveOne();
  bool MadeByChild(const struct seccomp_notif& call) const;
  void Tell(const struct seccomp_notif& call);
  bool Send(uint64_t id, const SyscallAnswer& answer);
  void DropAnswered();
  void ArmTimer();

  EventLoop& loop_;
  Events events_;
  const SyscallTimeout timeout_;
  UniqueFd fd_;
  int proc_fd_ = -1;
  pid_t workload_ = 0;
  bool running_ = false;
  std::optional<struct seccomp_notif> held_;  // came ahead of `running`
  std::unordered_set<uint64_t> pending_;
  std::deque<std::pair<uint64_t, uint64_t>> deadlines_;  // us and id; answered ones too
  EventLoop::Watch watch_;
  EventLoop::Timer timer_;
};

}  // namespace linx

#endif  // LINX_SYSCALL_LISTENER_H_
