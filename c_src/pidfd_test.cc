#include "pidfd.h"

#include <doctest/doctest.h>

#include <cerrno>

#include "test_process.h"

namespace linx {
namespace {

TEST_CASE("a child is signalled, looked at and reaped by its pidfd") {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const UniqueFd pidfd = test::OpenPidfd(child);
  siginfo_t info = {};
  CHECK_FALSE(HasExited(pidfd.get()));
  CHECK(WaitFor(pidfd.get(), &info, 0) == 0);
  CHECK(SendSignal(pidfd.get(), 0) == 0);
  CHECK(SendSignal(pidfd.get(), 65) == -EINVAL);
  CHECK(SendSignal(pidfd.get(), SIGKILL) == 0);
  REQUIRE(test::Readable(pidfd.get()));
  CHECK(HasExited(pidfd.get()));
  CHECK(WaitFor(pidfd.get(), &info, WNOWAIT) == 1);
  struct rusage use = {};
  CHECK(WaitFor(pidfd.get(), &info, 0, &use) == 1);
  CHECK(info.si_status == SIGKILL);
  CHECK(use.ru_maxrss > 0);
  CHECK(WaitFor(pidfd.get(), &info, 0) == -1);
  CHECK(SendSignal(pidfd.get(), SIGKILL) == -ESRCH);
}

}  // namespace
}  // namespace linx
