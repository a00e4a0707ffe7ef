#include "close_fds.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <vector>

#include "test_channel.h"
#include "test_process.h"

namespace linx {
namespace {

constexpr int kFirst = 20, kLast = 60;

// Which of kFirst..kLast are open in a process that had them all and closed all but `kept`.
// `refused` is what a kernel without close_range(2) says.
std::vector<int> LeftOf(unsigned first, std::vector<int> kept, uint32_t refused = 0) {
  test::Pipe open_fds;
  test::Process process = test::ForkProcess([&] {
    if (refused != 0 && !test::Refuse(SYS_close_range, refused)) return 2;
    if (ClosesRanges() != (refused == 0)) return 3;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = kFirst; fd <= kLast; ++fd) dup2(0, fd);
    // Where the answer goes is kept as well, at the end of the range.
    const int out = fcntl(open_fds.in.get(), F_DUPFD, kLast + 1);
    kept.push_back(out);
    if (CloseAllBut(first, kept.data(), kept.size()) != 0) return 1;
    for (int fd = kFirst; fd <= kLast; ++fd) {
      if (fcntl(fd, F_GETFD) >= 0) dprintf(out, "%d\n", fd);
    }
    return 0;
  });
  open_fds.in.Reset();
  std::vector<int> left;
  for (std::string line; !(line = open_fds.ReadLine()).empty();) left.push_back(std::stoi(line));
  CHECK(process.ExitCode() == 0);
  return left;
}

TEST_CASE("everything but what is kept is closed") {
  CHECK(LeftOf(kFirst, {}).empty());
  CHECK(LeftOf(kFirst, {kFirst}) == std::vector<int>{kFirst});
  CHECK(LeftOf(kFirst, {kLast}) == std::vector<int>{kLast});
  CHECK(LeftOf(kFirst, {25, 26, 40}) == std::vector<int>{25, 26, 40});
}

TEST_CASE("order, repetitions and -1 do not matter") {
  CHECK(LeftOf(kFirst, {40, -1, 25, 40, -1, 25}) == std::vector<int>{25, 40});
  CHECK(LeftOf(kFirst, {-1, -1}).empty());
}

TEST_CASE("an fd that is kept need not be open") {
  CHECK(LeftOf(kFirst, {5000, 30}) == std::vector<int>{30});
}

TEST_CASE("without close_range all that is open is closed one by one, however many may be") {
  for (const uint32_t refused : {uint32_t{ENOSYS}, uint32_t{EPERM}}) {
    CHECK(LeftOf(kFirst, {25, 26, 40}, refused) == std::vector<int>{25, 26, 40});
    CHECK(LeftOf(kFirst, {5000, 30}, refused) == std::vector<int>{30});
  }
}

TEST_CASE("what lies below the first is left alone") {
  const std::vector<int> left = LeftOf(50, {55, 3});
  CHECK(left.size() == 50 - kFirst + 1);
  CHECK(left.front() == kFirst);
  CHECK(left.back() == 55);
}

}  // namespace
}  // namespace linx
