#include "launch_memory.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <utility>

#include "test_process.h"

namespace linx {
namespace {

TEST_CASE("a region hands out its bytes one after the other, aligned") {
  Region region;
  REQUIRE(region.Ensure(1000));
  char* const first = region.Take(3, 1);
  char* const second = region.Take(8, 8);
  auto* const third = region.TakeArray<uint32_t>(2);
  CHECK(first == region.base());
  CHECK(second == region.base() + 8);
  CHECK(reinterpret_cast<char*>(third) == region.base() + 16);
  region.Rewind();
  CHECK(region.Take(1, 1) == first);
}

TEST_CASE("a region that is big enough stays, another one is replaced") {
  Region region;
  CHECK_FALSE(static_cast<bool>(region));
  REQUIRE(region.Ensure(1));
  CHECK(static_cast<bool>(region));
  char* const before = region.base();
  REQUIRE(region.Ensure(region.size()));
  CHECK(region.base() == before);
  REQUIRE(region.Ensure(region.size() + 1));
  std::memset(region.Take(region.size(), 1), 1, region.size());
}

TEST_CASE("out of memory is an answer") {
  Region region;
  REQUIRE(region.Ensure(10));
  char* const before = region.base();
  CHECK_FALSE(region.Ensure(size_t{1} << 60));
  CHECK(region.base() == before);
}

TEST_CASE("wiping leaves nothing of what was handed out") {
  Region region;
  REQUIRE(region.Ensure(100));
  std::memcpy(region.Take(6, 1), "secret", 6);
  region.Wipe();
  CHECK(std::string(region.base(), 6) == std::string(6, '\0'));
  CHECK(region.Take(1, 1) == region.base());
}

TEST_CASE("a region moves with its bytes") {
  Region region;
  REQUIRE(region.Ensure(100));
  std::memcpy(region.Take(4, 1), "here", 4);
  Region other(std::move(region));
  CHECK_FALSE(static_cast<bool>(region));
  CHECK(std::string(other.base(), 4) == "here");
  region = std::move(other);
  CHECK(std::string(region.base(), 4) == "here");
}

TEST_CASE("forks do not get a hidden region") {
  Region region;
  REQUIRE(region.Ensure(100));
  const auto mapped_in_fork = [&] {
    return test::ForkProcess([&] { return msync(region.base(), 1, MS_ASYNC) == 0 ? 1 : 0; })
        .ExitCode();
  };
  CHECK(mapped_in_fork() == 1);
  CHECK(region.HideFromForks());
  CHECK(mapped_in_fork() == 0);
}

}  // namespace
}  // namespace linx
