// Pipes of streams that flood, and the BEAM's.
#ifndef LINX_LARGE_PIPE_H_
#define LINX_LARGE_PIPE_H_

#include <fcntl.h>

#include <cstdint>

namespace linx {

// A pipe that has filled up after much has gone through it is made larger: there is more to come.
// Not from the start, for a user's pipes may hold 64 MiB together (pipe-user-pages-soft, pipe(7)).
class LargePipe {
 public:
  // `fd` is full, and so many bytes went through it before. Where the kernel refuses, it stays as
  // it is.
  void OnFull(int fd, uint64_t bytes) {
    if (tried_ || bytes < kFloodBytes) return;
    tried_ = true;
    fcntl(fd, F_SETPIPE_SZ, kLargeBytes);
  }

 private:
  static constexpr uint64_t kFloodBytes = 1u << 20;
  static constexpr int kLargeBytes = 512 << 10;

  bool tried_ = false;
};

}  // namespace linx

#endif  // LINX_LARGE_PIPE_H_
