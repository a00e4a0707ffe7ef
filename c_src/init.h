// The init of a session: a fork of the agent between the agent and the workload. It is the nearest
// child subreaper of all that the workload starts, or PID 1 of a fresh pid namespace, so that
// nothing of a session can slip away: it reaps, and kills what is left when the workload ends or
// the agent is gone.
#ifndef LINX_INIT_H_
#define LINX_INIT_H_

#include <cstddef>
#include <cstdint>

#include "child.h"

namespace linx {

struct InitPlan {
  ChildPlan child;
  uint64_t workload_flags = 0;  // CLONE_NEW* for the workload itself
  int channel = -1;             // SOCK_SEQPACKET to the agent; its end means the agent is gone
  int proc_fd = -1;             // the host's /proc, which shows the init and its descendants
  bool pid_one = false;         // PID 1 of a fresh pid namespace
  bool linger = false;          // the workload may outlive the agent
  bool forking = false;         // the session goes on with what a workload leaves that exits with 0
  bool share_memory = false;    // the workload shares the init's memory until it execs
  bool foreign_pids = false;    // the init counts pids otherwise than the agent does
  int cgroup = -1;              // the workload's, a directory of cgroup v2; -1: the init's own
  PlanImage image;              // where it takes further plans; none: it serves one session
};

// Never returns. Reports `launched` with the workload's pidfd or `failed`, then `ended` when the
// workload and all that it left behind are dead. One with an image then waits for its next plan, or
// for the end of its channel.
[[noreturn]] void RunInit(const InitPlan& plan);

// Says what failed, and ends the caller.
[[noreturn]] void ReportFailure(int channel, Stage stage, long code);

// Sends a report, with a file descriptor unless `fd` is negative. Returns 0 or a negative errno.
long SendReport(int channel, const struct Report& report, int fd);

}  // namespace linx

#endif  // LINX_INIT_H_
