#include "process_use.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>

#include "test_process.h"

namespace linx {
namespace {

TEST_CASE("open fds are counted, without the one that counts them") {
  const UniqueFd proc = test::OpenProc();
  const uint64_t before = ReadProcessUse(proc.get()).fds;
  CHECK(before >= 4);
  {
    const test::Pipe pipe;
    CHECK(ReadProcessUse(proc.get()).fds == before + 2);
  }
  CHECK(ReadProcessUse(proc.get()).fds == before);
}

TEST_CASE("resident memory is told in bytes") {
  const UniqueFd proc = test::OpenProc();
  constexpr size_t kSize = 32u << 20;
  const uint64_t before = ReadProcessUse(proc.get()).resident_bytes;
  void* block = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(block != MAP_FAILED);
  std::memset(block, 1, kSize);
  const uint64_t after = ReadProcessUse(proc.get()).resident_bytes;
  munmap(block, kSize);
  CHECK(after >= before + kSize / 2);
  CHECK(after <= before + 2 * kSize);
}

TEST_CASE("what cannot be read is 0") {
  const ProcessUse use = ReadProcessUse(-1);
  CHECK(use.fds == 0);
  CHECK(use.resident_bytes == 0);
}

}  // namespace
}  // namespace linx
