#include "private_heap.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>

#include "clone.h"
#include "raw_syscall.h"
#include "test_process.h"

namespace linx {
namespace {

constexpr size_t kBytes = 256u << 10;

// Whether a fork, made as the agent makes its forks, has memory at `at`.
bool ForkHas(const char* at) {
  HideHeapFromForks();
  int fd = -1;
  const long pid = Fork(0, &fd);
  if (pid == 0) {
    const auto page = reinterpret_cast<uintptr_t>(at) & ~uintptr_t{65535};
    raw::Exit(raw::Call(SYS_msync, page, 65536, MS_ASYNC) == 0 ? 1 : 0);
  }
  const UniqueFd pidfd(fd);
  return test::Process(static_cast<pid_t>(pid)).ExitCode() == 1;
}

// Moves the program break as malloc does; answers where the new memory begins.
char* Grow() {
  char* const at = static_cast<char*>(sbrk(kBytes));
  std::memset(at, 's', kBytes);
  return at + kBytes / 2;
}

TEST_CASE("forks keep the heap until it is made private") {
  test::Process process = test::ForkProcess([] { return ForkHas(Grow()) ? 0 : 1; });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("a private heap is left out of forks, as far as it has grown") {
  test::Process process = test::ForkProcess([] {
    KeepHeapInOnePiece();
    char* const first = Grow();
    if (ForkHas(first)) return 1;
    char* const second = Grow();
    return ForkHas(first) || ForkHas(second) ? 2 : 0;
  });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("memory that was given back and taken again is hidden as well") {
  test::Process process = test::ForkProcess([] {
    KeepHeapInOnePiece();
    char* const at = Grow();
    if (ForkHas(at)) return 1;
    sbrk(-static_cast<intptr_t>(kBytes));
    return ForkHas(Grow()) ? 2 : 0;
  });
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("the process itself goes on with its heap") {
  test::Process process = test::ForkProcess([] {
    KeepHeapInOnePiece();
    char* const at = Grow();
    HideHeapFromForks();
    const std::string text(10'000, 'x');
    return at[0] == 's' && text.back() == 'x' ? 0 : 1;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
