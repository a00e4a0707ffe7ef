// The owner of a file descriptor. A bare int elsewhere is borrowed.
#ifndef LINX_UNIQUE_FD_H_
#define LINX_UNIQUE_FD_H_

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace linx {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  int Release() { return std::exchange(fd_, -1); }

  // close(2) is never retried: on Linux the fd is gone whatever it answers.
  void Reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// Where the fds of sessions are kept. A child gets copies of the fds below its own only (see
// CloseAllBut), and its own are made where there is room below this.
constexpr int kHighFds = 64;

// The same file at a number of at least kHighFds; as it was where that cannot be had.
inline UniqueFd MoveHigh(UniqueFd fd) {
  if (fd.get() < 0 || fd.get() >= kHighFds) return fd;
  UniqueFd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kHighFds));
  return high ? std::move(high) : std::move(fd);
}

// A second fd of the same file, there if that can be had. Empty where there is none: errno says
// why.
inline UniqueFd CopyHigh(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kHighFds));
  // EINVAL: the limit of open files is lower than that.
  return copy ? std::move(copy) : UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

}  // namespace linx

#endif  // LINX_UNIQUE_FD_H_
