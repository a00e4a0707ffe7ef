// One session: from a valid plan to its terminal event, of which there is exactly one, its last.
//
//   starting → spawned → ready → proceeding → running → ended
#ifndef LINX_SESSION_H_
#define LINX_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "checkpoint.h"
#include "command.h"
#include "events.h"
#include "id_mapping.h"
#include "leaves.h"
#include "prefork_run.h"
#include "request.h"
#include "session_tree.h"
#include "spare_table.h"
#include "stdio_fds.h"
#include "streams.h"
#include "syscall_listener.h"
#include "workload.h"

namespace linx {

enum class SessionState : uint8_t { starting, spawned, ready, proceeding, running, ended };

// How a session that is over ended, for the exit code of an agent that serves only one.
enum class SessionOutcome : uint8_t { reported, malformed, not_created, failed };

// What sessions leave for whoever drives them to look after once a turn.
struct SessionNotices {
  std::vector<uint64_t> ended;   // their terminal event is said
  std::vector<uint64_t> paused;  // output waits for room in the outbox
};

struct SessionContext {
  WorkloadContext workload;
  SpareTable& spares;
  Links& links;
  Leaves& leaves;
  SessionNotices& notices;
};

class Session final : private WorkloadListener {
 public:
  // `key` is how the notices name it.
  Session(SessionContext context, uint64_t key, Events events, Plan plan)
      : context_(context),
        key_(key),
        events_(events),
        plan_(std::move(plan)),
        checkpoint_(plan_.fail_closed, !plan_.auto_proceed),
        streams_(context.workload.loop, events, Handler::To<&Session::OnPaused>(this),
                 Handler::To<&Session::Finish>(this)),
        workload_(context.workload, this),
        tree_(context.workload, workload_, streams_, events,
              Handler::To<&Session::OnTreeGone>(this)) {}

  // `target` pins the process to enter where another session named it; otherwise the plan's pid is
  // opened. The session may be over when this returns.
  void Start(UniqueFd target);
  void Handle(const Command& command);
  // Answers that a command cannot be carried out. It changes nothing, but that a session which is
  // to fail closed does not proceed after a refused restriction.
  void Refuse(int code, std::string_view name, std::string_view detail = {});
  // The BEAM is gone: the session's orphan policy applies.
  void Orphan();
  // The outbox has room again.
  void ResumeOutput();
  // As of Streams.
  size_t StdinRoom() const { return state_ == SessionState::starting ? 0 : streams_.StdinRoom(); }
  void PassStdin(std::string_view piece) { streams_.PassStdin(piece); }
  size_t MoveStdin(int from, size_t most) { return streams_.MoveStdin(from, most); }
  StreamBytes stream_bytes() const { return streams_.bytes(); }

  bool ended() const { return state_ == SessionState::ended; }
  SessionOutcome outcome() const { return outcome_; }
  // 0 where there is none yet.
  pid_t host_pid() const { return run_pid_ != 0 ? run_pid_ : workload_.host_pid(); }
  // The workload's, for other sessions to enter it; -1 where there is none.
  int workload_pidfd() const { return ended() ? -1 : workload_.pidfd(); }

 private:
  void OnSpawned(pid_t host_pid) override;
  void OnReady(pid_t ns_pid) override;
  void OnFailed(const Error& error, int32_t element) override;
  void OnListening(UniqueFd listener) override;
  void OnRunning() override;
  void OnForked() override;
  void OnEnd(const End& end) override;

  void Handle(const Proceed& proceed);
  void Handle(const Abort&);
  void Handle(const Signal& signal);
  void Handle(const CapDropBounding& caps);
  void Handle(const CapSetThread& caps);
  void Handle(const CapSetAmbient& caps);
  void Handle(const SeccompInstall& filter);
  void Handle(const SeccompRules& rules);
  void Handle(const PtyIn& input);
  void Handle(const PtyWinsize& size);
  void Handle(const Pause&);
  void Handle(const Resume&);
  void Handle(const Stats&);
  void Handle(const StdinBytes& input);
  void Handle(const StdinEof&);
  void Handle(const Ack& ack);
  void Handle(const SyscallAnswer& answer);

  Status CheckConfinement();
  void OpenInputs();
  void Launch();
  void CallScript();
  bool started() const { return run_ || workload_.started(); }
  void Send(int number);
  void Kill();
  void SayReady();
  template <typename OneCommand>
  void OrderChild(CommandName name, const OneCommand& command);
  void PassProceed();
  template <typename OneCommand>
  void Stream(CommandName name, const OneCommand& command);
  void OnPaused();
  void OnTargetGone();
  void Finish();
  void SayUsage();
  void AskPausing(CommandName what);
  void Prepare();
  bool Place();
  void OnMapped();
  void Arrive();
  bool PassMounts();
  void LetGo();
  void OnTreeGone();
  void Fail(const Error& error);
  void Close();

  SessionContext context_;
  const uint64_t key_;
  Events events_;
  Plan plan_;
  SessionState state_ = SessionState::starting;
  SessionOutcome outcome_ = SessionOutcome::reported;
  StdioFds stdio_;
  UniqueFd target_;
  EventLoop::Watch target_watch_;  // of one that waits, and ends with its target
  uint64_t join_ = 0;
  Checkpoint checkpoint_;
  std::vector<std::string> orders_;  // the request's own, for the parked child
  Streams streams_;
  EventLoop::Timer timer_;  // to connect again, or for the grace to be over
  int connects_left_;
  Workload workload_;
  std::unique_ptr<PreforkRun> run_;  // in place of it
  pid_t run_pid_ = 0;                // the monitor's
  SessionTree tree_;
  std::unique_ptr<SyscallListener> listener_;
  std::unique_ptr<IdMapping> mapping_;  // made when it is needed
  std::deque<int> signals_;
  pid_t spare_ = 0;
  pid_t child_pid_ = 0;
  uint64_t released_us_ = 0;  // when the child was let go on to its exec
  std::optional<Error> error_;
  std::optional<End> end_;
  bool ready_due_ = false;
  bool aborting_ = false;  // before running
  bool placing_ = false;   // into its cgroups, once the child is parked
  bool held_ = false;      // parked whatever the request says: there is work of ours to do
  bool draining_ = false;  // after the end
};

}  // namespace linx

#endif  // LINX_SESSION_H_
