// Closing what a fork must not keep. No heap, no errno.
#ifndef LINX_CLOSE_FDS_H_
#define LINX_CLOSE_FDS_H_

#include <cstddef>

namespace linx {

// Closes every fd from `first` on but the `count` in `kept`, which is sorted in place and may hold
// -1 and repetitions. A table that is shared with the caller's parent (CLONE_FILES) becomes the
// caller's own first; of the fds above the highest kept one nothing is copied for that, however
// many they are. Where close_range(2) cannot do that, the table is
// not to be shared: see ClosesRanges. Returns 0 or a negative errno.
long CloseAllBut(unsigned first, int* kept, size_t count);

// Whether there is close_range(2).
bool ClosesRanges();

}  // namespace linx

#endif  // LINX_CLOSE_FDS_H_
