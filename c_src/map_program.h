// One run of newuidmap(1) or newgidmap(1), which may write what an ordinary user may not.
#ifndef LINX_MAP_PROGRAM_H_
#define LINX_MAP_PROGRAM_H_

#include <string>
#include <vector>

#include "event_loop.h"
#include "result.h"
#include "unique_fd.h"
#include "workload.h"

namespace linx {

class MapProgram final : private WorkloadListener {
 public:
  // `stage` is that of what becomes of it. `on_end` is called once the program is reaped, always
  // last: it may delete the MapProgram.
  MapProgram(WorkloadContext context, Stage stage, Handler on_end)
      : context_(context), stage_(stage), on_end_(on_end), workload_(context, this) {}

  // Runs argv with `directory` for its stdin, and an environment in which it speaks English. A
  // borrowed fd, which must stay open until the end. May call `on_end` at once.
  void Start(std::vector<std::string> argv, int directory);
  // Kills it; the end follows.
  void Stop() { workload_.Kill(); }

  // Good once it has ended. Errors: pipe2 and those of Launcher::Spawn where it could not be made;
  // of `stage` what kept it from running, with its path; ETIMEDOUT; EPERM with the first line of
  // what it said where it refused.
  const Status& outcome() const { return outcome_; }

 private:
  void OnSpawned(pid_t) override {}
  void OnReady(pid_t) override { theirs_.Reset(); }
  void OnFailed(const Error& error, int32_t element) override;
  void OnListening(UniqueFd) override {}
  void OnRunning() override {}
  void OnForked() override {}
  void OnEnd(const End& end) override;

  Status Launch(std::vector<std::string> argv, int directory);
  void OnTimeout();
  std::string FirstLine();

  WorkloadContext context_;
  const Stage stage_;
  const Handler on_end_;
  Workload workload_;
  EventLoop::Timer timer_;
  UniqueFd ours_, theirs_;  // what it says
  std::string path_;
  Status outcome_;
};

}  // namespace linx

#endif  // LINX_MAP_PROGRAM_H_
