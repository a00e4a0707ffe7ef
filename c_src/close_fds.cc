#include "close_fds.h"

#include <linux/close_range.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "raw_syscall.h"

namespace linx {
namespace {

long CloseRange(unsigned first, unsigned last, unsigned flags = 0) {
  const long rc = raw::Call(SYS_close_range, first, last, flags);
  if (rc != -ENOSYS) return rc;
  // Before 5.9: one by one.
  struct rlimit limit = {};
  raw::Call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  const rlim_t end = std::min<rlim_t>(last, limit.rlim_cur);
  for (rlim_t fd = first; fd <= end; ++fd) raw::Call(SYS_close, static_cast<unsigned>(fd));
  return 0;
}

}  // namespace

long CloseAllBut(unsigned first, int* kept, size_t count) {
  std::sort(kept, kept + count);
  const int highest = count > 0 ? kept[count - 1] : -1;
  const unsigned top = std::max(first, static_cast<unsigned>(highest + 1));
  long rc = CloseRange(top, ~0u, CLOSE_RANGE_UNSHARE);
  unsigned next = first;
  for (size_t i = 0; i < count && rc >= 0; ++i) {
    if (kept[i] < static_cast<int>(next)) continue;
    const unsigned fd = static_cast<unsigned>(kept[i]);
    if (fd > next) rc = CloseRange(next, fd - 1);
    next = fd + 1;
  }
  return rc;
}

}  // namespace linx
