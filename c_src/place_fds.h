// Gives file descriptors the numbers that the workload is to find them at. No heap, no errno.
#ifndef LINX_PLACE_FDS_H_
#define LINX_PLACE_FDS_H_

#include <cstddef>
#include <cstdint>

#include "stdio_request.h"

namespace linx {

// `source` is open in the child, close-on-exec, and no other's.
struct ChildFd {
  int number = -1;
  int source = -1;
};

// Makes each of the `count` fds, kMaxFdWishes at most, its number, no longer close-on-exec,
// whatever is open there. The `held_count` fds in `held`, of which -1 is none, are moved where they
// are in the way. Returns 0 or a negative errno; then `*failed` is the number.
long PlaceFds(const ChildFd* fds, size_t count, int* held, size_t held_count, int32_t* failed);

}  // namespace linx

#endif  // LINX_PLACE_FDS_H_
