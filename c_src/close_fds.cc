#include "close_fds.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "raw_syscall.h"

namespace linx {
namespace {

long CloseRange(unsigned first, unsigned last) {
  const long rc = raw::Call(SYS_close_range, first, last, 0);
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
  unsigned next = first;
  for (size_t i = 0; i < count; ++i) {
    if (kept[i] < static_cast<int>(next)) continue;
    const unsigned fd = static_cast<unsigned>(kept[i]);
    if (fd > next) {
      const long rc = CloseRange(next, fd - 1);
      if (rc < 0) return rc;
    }
    next = fd + 1;
  }
  return CloseRange(next, ~0u);
}

}  // namespace linx
