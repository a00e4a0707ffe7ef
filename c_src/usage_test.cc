#include "usage.h"

#include <doctest/doctest.h>
#include <signal.h>

namespace linx {
namespace {

TEST_CASE("every figure of an rusage has its place") {
  struct rusage use = {};
  use.ru_utime = {3, 7};
  use.ru_stime = {0, 999'999};
  use.ru_maxrss = 4096;
  use.ru_minflt = 11;
  use.ru_majflt = 12;
  use.ru_nvcsw = 13;
  use.ru_nivcsw = 14;
  const Usage usage = UsageOf(use, CLD_EXITED);
  CHECK(usage.utime_us == 3'000'007);
  CHECK(usage.stime_us == 999'999);
  CHECK(usage.max_rss_kb == 4096);
  CHECK(usage.minor_faults == 11);
  CHECK(usage.major_faults == 12);
  CHECK(usage.voluntary_switches == 13);
  CHECK(usage.involuntary_switches == 14);
  CHECK(usage.wall_us == 0);
}

TEST_CASE("a core was dumped where the kernel says so") {
  const struct rusage use = {};
  CHECK(UsageOf(use, CLD_DUMPED).core_dumped);
  CHECK_FALSE(UsageOf(use, CLD_KILLED).core_dumped);
  CHECK_FALSE(UsageOf(use, CLD_EXITED).core_dumped);
}

TEST_CASE("the clock does not go back") {
  const uint64_t first = MonotonicUs();
  CHECK(first > 0);
  CHECK(MonotonicUs() >= first);
}

}  // namespace
}  // namespace linx
