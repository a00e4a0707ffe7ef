// The host's side of a workload's fds, opened before the workload exists.
#ifndef LINX_STDIO_FDS_H_
#define LINX_STDIO_FDS_H_

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "links.h"
#include "request.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

struct StdioFds {
  std::array<UniqueFd, 3> fd;    // the workload's; empty: inherited, or the session's PTY
  std::array<UniqueFd, 3> ours;  // the agent's ends of pipes, which do not block
  size_t done = 0;               // how many of the three are settled
  bool merged = false;           // stderr is what stdout is
  std::vector<UniqueFd> others;  // what becomes the fds above 2, as far as they are opened

  // What becomes the workload's fd; -1 where it is inherited.
  int workload(size_t i) const {
    if (i == STDERR_FILENO && merged) return fd[1] ? fd[1].get() : STDOUT_FILENO;
    return fd[i].get();
  }
};

// Opens what `wanted` asks for, from where an earlier call left off. EAGAIN says that a listener's
// backlog is full, or somebody holds a lease on a file: come back later. `links` are claimed for
// `owner`. Errors: dev_null, connect_unix, open_file, and those of Links; the detail is the path or
// name.
Status OpenStdio(const std::array<Stdio, 3>& wanted, Links* links, uint64_t owner, StdioFds* fds);
// The same for the fds above 2.
Status OpenFds(const std::vector<FdWish>& wanted, Links* links, uint64_t owner, StdioFds* fds);

}  // namespace linx

#endif  // LINX_STDIO_FDS_H_
