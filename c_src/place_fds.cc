#include "place_fds.h"

#include <fcntl.h>

#include "raw_syscall.h"

namespace linx {
namespace {

// The lowest free number may be one that is asked for too: then it is moved once more, when that
// one's turn has come. What is in its place already is not free, so nothing is moved for ever.
long MoveAway(int* fd, int from) {
  if (*fd != from) return 0;
  const long moved = raw::Call(SYS_fcntl, from, F_DUPFD_CLOEXEC, 3);
  if (moved >= 0) *fd = static_cast<int>(moved);
  return moved < 0 ? moved : 0;
}

long Clear(int number, int* fds, size_t count) {
  long rc = 0;
  for (size_t i = 0; i < count && rc == 0; ++i) rc = MoveAway(&fds[i], number);
  return rc;
}

long Place(int source, int number) {
  const long rc = source == number ? raw::Call(SYS_fcntl, number, F_SETFD, 0)
                                   : raw::Call(SYS_dup3, source, number, 0);
  return rc < 0 ? rc : 0;
}

}  // namespace

long PlaceFds(const ChildFd* fds, size_t count, int* held, size_t held_count, int32_t* failed) {
  int sources[kMaxFdWishes];
  for (size_t i = 0; i < count; ++i) sources[i] = fds[i].source;
  for (size_t i = 0; i < count; ++i) {
    const int number = *failed = fds[i].number;
    long rc = Clear(number, held, held_count);
    if (rc == 0) rc = Clear(number, sources + i + 1, count - i - 1);
    if (rc == 0) rc = Place(sources[i], number);
    if (rc < 0) return rc;
  }
  return 0;
}

}  // namespace linx
