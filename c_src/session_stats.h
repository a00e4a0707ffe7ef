// What a running session uses, for its `stats`.
#ifndef LINX_SESSION_STATS_H_
#define LINX_SESSION_STATS_H_

#include <cstdint>

namespace linx {

// Of the processes of a session: the workload and all below it.
struct TreeUse {
  uint64_t cpu_us = 0;
  uint64_t resident_bytes = 0;
  uint64_t processes = 0;
  uint64_t fds = 0;  // the workload's alone
};

// What went through the agent so far.
struct StreamBytes {
  uint64_t stdin_bytes = 0;
  uint64_t stdout_bytes = 0;
  uint64_t stderr_bytes = 0;
  uint64_t pty_in_bytes = 0;
  uint64_t pty_out_bytes = 0;
};

struct SessionStats {
  TreeUse tree;
  StreamBytes bytes;
};

}  // namespace linx

#endif  // LINX_SESSION_STATS_H_
