// A session's processes, whatever they are: a lone workload, one below an init, one that a helper
// brought into other namespaces. The session above hears of the workload only.
#ifndef LINX_WORKLOAD_H_
#define LINX_WORKLOAD_H_

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "channel.h"
#include "event_loop.h"
#include "launch.h"
#include "result.h"
#include "tree_walk.h"
#include "usage.h"

namespace linx {

// How a workload ended. `execed` is false for one that a signal met before its exec, or before its
// wait where it has no program.
struct End {
  enum class Kind : uint8_t { exited, signaled, unknown };
  Kind kind = Kind::unknown;
  int code = 0;  // the exit code or the signal's number
  bool execed = false;
  uint64_t at_us = 0;          // by the agent's MonotonicUs
  std::optional<Usage> usage;  // without its wall time; none where nobody could wait for it
  bool core_dumped = false;    // where there is no usage that says so
};

class WorkloadListener {
 public:
  virtual void OnSpawned(pid_t host_pid) = 0;
  virtual void OnReady(pid_t ns_pid) = 0;
  // Something failed before the exec, `element` being the report's. OnEnd follows, once all of the
  // session is reaped.
  virtual void OnFailed(const Error& error, int32_t element) = 0;
  // The workload's filter is in force; the calls that it has notified come to `listener`.
  virtual void OnListening(UniqueFd listener) = 0;
  virtual void OnRunning() = 0;
  // The workload has exited with 0, and what it left is the session from here on.
  virtual void OnForked() = 0;
  // Everything of the session is dead and reaped; always the last call. The listener may delete the
  // Workload from it.
  virtual void OnEnd(const End& end) = 0;

 protected:
  ~WorkloadListener() = default;
};

// What a Workload needs of the agent around it.
struct WorkloadContext {
  EventLoop& loop;
  Launcher& launcher;
};

class Workload {
 public:
  Workload(WorkloadContext context, WorkloadListener* listener)
      : context_(context), listener_(listener) {}
  ~Workload();
  Workload(const Workload&) = delete;

  // Takes over what a launch made. May call the listener at once. Errors: epoll; then everything
  // that was launched is killed, and OnEnd comes all the same where `launched` had a process.
  void Start(Launched launched);

  // Queues a record for the parked child, with an fd where it takes one; it is written as the
  // channel takes it.
  void Order(std::string record, UniqueFd passed = {});
  // Signals the workload by its pidfd, or those whom it left to the init where the session goes on
  // without it.
  void Signal(int number);
  // SIGKILL to everything, again and again until it is dead: a frozen tree is thawed, an init that
  // does not answer is killed too.
  void Kill();

  // Whether there is anything to kill and to wait for.
  bool started() const { return started_; }
  // The process that is the agent's child: the init, or the workload where there is none.
  pid_t outermost_pid() const { return has_init_ ? init_.pid : host_pid_; }
  // 0 where there is none (any more).
  pid_t host_pid() const { return host_pid_; }
  // The top of all the processes that can be told to be the workload's.
  TreeRoot tree() const {
    return init_.pid != 0 ? TreeRoot{init_.pid, true} : TreeRoot{host_pid_, false};
  }
  int pidfd() const { return workload_.get(); }
  // Whether SIGTERM would be lost on it: PID 1 of a namespace without a handler.
  bool IgnoresTerm() const;

 private:
  void OnChannel();
  void OnControl();
  void OnExit();
  void OnKillTick();
  void KillMakers();
  void KillInit();
  // Reaps what has died and draws the conclusions. False where it called OnEnd: `this` may be gone.
  bool Settle();

  bool Watch(EventLoop::Watch* watch, int fd, Handler handler);
  void DrainChannel();
  void DrainControl();
  void CloseChannel();
  void Take(const Report& report, UniqueFd fd);
  void TakeWorkload(UniqueFd pidfd, pid_t pid);
  void TakeInit(UniqueFd pidfd, pid_t pid);
  void Fail(const Error& error, int32_t element = 0);
  void FlushOrders();
  void CheckExec();
  bool GotThere(const siginfo_t& info) const;
  void SayRunning();
  void GoOnWithout();
  void OrderInit(int number);
  void Lose();

  bool DismissInit();
  bool SettleHelper();
  bool SettleInit();
  bool SettleWorkload();

  WorkloadContext context_;
  WorkloadListener* listener_;

  // What stands between the agent and the workload: the enter helper for a moment, and the init.
  Offspring helper_, init_;
  UniqueFd workload_;
  pid_t host_pid_ = 0;
  UniqueFd channel_, control_;
  std::array<UniqueFd, 2> lent_;
  Region shared_;
  pid_t nursery_ = 0;
  bool spent_ = false;           // the nursery
  const char* image_ = nullptr;  // see Launched; none once the init is to die
  EventLoop::Watch channel_watch_, control_watch_, helper_watch_, init_watch_, workload_watch_;
  EventLoop::Timer kill_timer_;

  std::deque<std::pair<std::string, UniqueFd>> orders_;
  std::optional<End> end_;
  bool started_ = false;
  bool has_init_ = false;
  bool waits_ = false;
  bool lost_ = false;  // the helper or init died before it had seen to everything
  bool failed_ = false;
  bool running_ = false;
  bool forked_ = false;  // the session goes on without its workload
  bool killing_ = false;
  bool finished_ = false;
  int kill_ticks_ = 0;
};

}  // namespace linx

#endif  // LINX_WORKLOAD_H_
