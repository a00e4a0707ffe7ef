#include "close_fds.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "proc_self.h"
#include "raw_syscall.h"

namespace linx {
namespace {

// Of one's own fds those in a range; `list` is the open directory of them. One that is closed while
// they are listed does not make another be left out.
long CloseListed(int list, unsigned first, unsigned last) {
  alignas(8) char entries[2048];
  long size;
  while ((size = raw::Call(SYS_getdents64, list, entries, sizeof(entries))) > 0) {
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(entries + at);
      at += entry->d_reclen;
      if (entry->d_name[0] == '.') continue;
      unsigned fd = 0;
      for (const char* digit = entry->d_name; *digit != '\0'; ++digit) {
        fd = fd * 10 + static_cast<unsigned>(*digit - '0');
      }
      if (fd >= first && fd <= last && fd != static_cast<unsigned>(list)) {
        raw::Call(SYS_close, fd);
      }
    }
  }
  return size;
}

// There may be a billion to try where they are not listed.
long CloseOneByOne(unsigned first, unsigned last) {
  const long list = OpenProcSelf("self/fd", O_RDONLY | O_DIRECTORY);
  if (list >= 0) {
    const long rc = CloseListed(static_cast<int>(list), first, last);
    raw::Call(SYS_close, list);
    if (rc == 0) return 0;
  }
  struct rlimit limit = {};
  raw::Call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  const rlim_t end = std::min<rlim_t>(last, limit.rlim_cur);
  for (rlim_t fd = first; fd <= end; ++fd) raw::Call(SYS_close, static_cast<unsigned>(fd));
  return 0;
}

// Before Linux 5.9 there is no such call; filters that do not know it say EPERM.
long CloseRange(unsigned first, unsigned last, unsigned flags = 0) {
  const long rc = raw::Call(SYS_close_range, first, last, flags);
  return rc == -ENOSYS || rc == -EPERM ? CloseOneByOne(first, last) : rc;
}

}  // namespace

// An empty range is EINVAL, and closes nothing.
bool ClosesRanges() { return raw::Call(SYS_close_range, ~0u, 0, 0) == -EINVAL; }

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
