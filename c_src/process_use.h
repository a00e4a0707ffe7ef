// What the agent itself uses of the machine.
#ifndef LINX_PROCESS_USE_H_
#define LINX_PROCESS_USE_H_

#include <cstdint>

namespace linx {

struct ProcessUse {
  uint64_t fds = 0;
  uint64_t resident_bytes = 0;
};

// 0 for what cannot be read.
ProcessUse ReadProcessUse(int proc_fd);

}  // namespace linx

#endif  // LINX_PROCESS_USE_H_
