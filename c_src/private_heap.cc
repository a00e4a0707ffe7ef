#include "private_heap.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "unique_fd.h"

namespace linx {
namespace {

uintptr_t page_size = 0;
uintptr_t heap_start = 0;

// start_brk, the 47th field of /proc/self/stat (proc_pid_stat(5)).
uintptr_t ReadStartBrk() {
  const UniqueFd fd(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t n = fd ? read(fd.get(), text, sizeof(text) - 1) : -1;
  if (n <= 0) return 0;
  text[n] = '\0';
  const std::string_view all(text, static_cast<size_t>(n));
  size_t at = all.rfind(')');
  for (int field = 2; at != std::string_view::npos && field < 47; ++field) {
    at = all.find(' ', at + 1);
  }
  return at == std::string_view::npos ? 0 : std::strtoull(text + at, nullptr, 10);
}

}  // namespace

bool KeepHeapInOnePiece() {
  mallopt(M_MMAP_MAX, 0);
  page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  heap_start = (ReadStartBrk() + page_size - 1) & ~(page_size - 1);
  return heap_start != 0;
}

bool HideHeapFromForks() {
  if (heap_start == 0) return true;
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0)) & ~(page_size - 1);
  // Also where the end has not moved since the last time: what was given back to the kernel and
  // taken again in between is no longer hidden.
  return end <= heap_start ||
         madvise(reinterpret_cast<void*>(heap_start), end - heap_start, MADV_DONTFORK) == 0;
}

}  // namespace linx
