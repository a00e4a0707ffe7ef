// A run of a warm script (see prefork_call.h) as what a session is about, in place of a workload of
// the agent's own: parked when it is greeted, running when it is handed over, ended by its status.
#ifndef LINX_PREFORK_RUN_H_
#define LINX_PREFORK_RUN_H_

#include <sys/types.h>

#include <array>
#include <string>

#include "event_loop.h"
#include "prefork_call.h"
#include "stdio_fds.h"
#include "unique_fd.h"
#include "workload.h"

namespace linx {

struct PreforkRunPlan {
  UniqueFd socket;             // connected; its peer's words have their author's name on them
  StdioFds stdio;              // closed once they are handed over
  std::array<int, 3> numbers;  // what becomes of the run's fds 0, 1 and 2, in `stdio` or borrowed
  std::string settings;
};

class PreforkRun {
 public:
  // Calls the listener from the loop alone, as a Workload does. Both pids that it tells are the
  // monitor's.
  PreforkRun(EventLoop& loop, WorkloadListener* listener, PreforkRunPlan plan);
  PreforkRun(const PreforkRun&) = delete;

  // Errors: epoll; then nothing follows.
  Status Start();
  // Hands the run over; it has to be parked.
  void Proceed();
  // An errno. SIGINT, SIGTERM and SIGHUP are requests to end, all the same one, after which the
  // status still comes; SIGKILL is Kill; others cannot be passed on: EOPNOTSUPP.
  int Signal(int number);
  // Ends it: one that is not handed over yet by closing its socket; a running one with its process
  // group. What has left that group belongs to the script.
  void Kill();

 private:
  void OnSocket();
  void OnMonitor();
  bool PinMonitor();
  void Greeted();
  void Report();
  Result<End> Outcome() const;

  EventLoop& loop_;
  WorkloadListener* const listener_;
  PreforkRunPlan plan_;
  PreforkCall call_;
  UniqueFd monitor_;
  EventLoop::Watch watch_, monitor_watch_;
  bool greeted_ = false;
  bool running_ = false;
  bool killed_ = false;
  bool over_ = false;
};

}  // namespace linx

#endif  // LINX_PREFORK_RUN_H_
