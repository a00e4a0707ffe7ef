#include "place_fds.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "test_process.h"

namespace linx {
namespace {

using Files = std::vector<ino_t>;

ino_t FileOf(int fd) {
  struct stat file;
  return fstat(fd, &file) == 0 ? file.st_ino : 0;
}

bool IsCloseOnExec(int fd) { return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

// A file of its own at this number, close-on-exec.
ino_t OpenAt(int fd) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return 0;
  const int high = fcntl(ends[0], F_DUPFD_CLOEXEC, 2000);
  close(ends[0]);
  close(ends[1]);
  dup3(high, fd, O_CLOEXEC);
  close(high);
  return FileOf(fd);
}

// In a process whose fds above 2 are these alone. Each is its number, and what is held is open
// still.
bool Places(const std::vector<ChildFd>& fds, std::vector<int> held) {
  test::Process process = test::ForkProcess([&] {
    close_range(3, ~0u, 0);
    Files wanted, kept;
    for (const ChildFd& fd : fds) wanted.push_back(OpenAt(fd.source));
    for (const int fd : held) kept.push_back(fd < 0 ? 0 : OpenAt(fd));
    int32_t failed;
    if (PlaceFds(fds.data(), fds.size(), held.data(), held.size(), &failed) != 0) return 1;
    for (size_t i = 0; i < fds.size(); ++i) {
      if (FileOf(fds[i].number) != wanted[i]) return 2;
      if (IsCloseOnExec(fds[i].number)) return 3;
    }
    for (size_t i = 0; i < held.size(); ++i) {
      if (held[i] >= 0 && (FileOf(held[i]) != kept[i] || !IsCloseOnExec(held[i]))) return 4;
    }
    return 0;
  });
  return process.ExitCode() == 0;
}

TEST_CASE("fds get their numbers whatever stands there") {
  CHECK(Places({}, {3, -1, -1, -1}));
  CHECK(Places({{3, 10}}, {4, 5, 6, 7}));
  CHECK(Places({{3, 3}, {4, 4}}, {5}));
  // Each other's, in a ring, and one that is the first free number again.
  CHECK(Places({{3, 4}, {4, 3}}, {5}));
  CHECK(Places({{3, 4}, {4, 5}, {5, 3}}, {6}));
  CHECK(Places({{6, 3}, {3, 4}, {4, 5}, {5, 6}}, {7}));
  CHECK(Places({{1023, 3}, {3, 1023}}, {500}));
}

TEST_CASE("what is held moves out of the way") {
  CHECK(Places({{3, 4}}, {3, -1, -1, -1}));
  CHECK(Places({{3, 7}, {4, 8}, {5, 9}, {6, 10}}, {3, 4, 5, 6}));
  CHECK(Places({{5, 6}, {6, 5}, {7, 3}}, {7, 4, -1, -1}));
}

TEST_CASE("as many as there may be, in the order that is the worst") {
  std::vector<ChildFd> ring, back;
  for (int i = 0; i < static_cast<int>(kMaxFdWishes); ++i) {
    ring.push_back({3 + i, 4 + i});
    back.push_back({3 + i, 3 + static_cast<int>(kMaxFdWishes) - 1 - i});
  }
  ring.back().source = 3;
  CHECK(Places(ring, {70, 71, 72, 73}));
  CHECK(Places(back, {70, 71, 72, 73}));
}

TEST_CASE("a number past the limit of open files is named") {
  test::Process process = test::ForkProcess([] {
    const int source = dup(0);
    const struct rlimit few = {100, 100};
    if (setrlimit(RLIMIT_NOFILE, &few) < 0) return 1;
    const ChildFd fd{100, source};
    int32_t failed = 0;
    return PlaceFds(&fd, 1, nullptr, 0, &failed) == -EBADF && failed == 100 ? 0 : 2;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
