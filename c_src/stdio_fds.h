// The host's side of a workload's fds 0, 1 and 2, opened before the workload exists.
#ifndef LINX_STDIO_FDS_H_
#define LINX_STDIO_FDS_H_

#include <array>
#include <cstddef>

#include "request.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

struct StdioFds {
  std::array<UniqueFd, 3> fd;  // empty: inherited, or the session's PTY
  size_t done = 0;             // how many of the three are settled
};

// Opens what `wanted` asks for, from where an earlier call left off. EAGAIN at connect_unix says
// that a listener's backlog is full: come back later. Errors: dev_null, connect_unix, with the
// path.
Status OpenStdio(const std::array<Stdio, 3>& wanted, StdioFds* fds);

}  // namespace linx

#endif  // LINX_STDIO_FDS_H_
