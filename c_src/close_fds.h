// Closing what a fork must not keep. No heap, no errno.
#ifndef LINX_CLOSE_FDS_H_
#define LINX_CLOSE_FDS_H_

#include <cstddef>

namespace linx {

// Closes every fd from `first` on but the `count` in `kept`, which is sorted in place and may hold
// -1 and repetitions. Returns 0 or a negative errno.
long CloseAllBut(unsigned first, int* kept, size_t count);

}  // namespace linx

#endif  // LINX_CLOSE_FDS_H_
