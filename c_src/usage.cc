#include "usage.h"

#include <signal.h>

#include <ctime>

#include "raw_syscall.h"

namespace linx {
namespace {

uint64_t Microseconds(const struct timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec);
}

}  // namespace

Usage UsageOf(const struct rusage& use, int si_code) {
  Usage usage;
  usage.utime_us = Microseconds(use.ru_utime);
  usage.stime_us = Microseconds(use.ru_stime);
  usage.max_rss_kb = static_cast<uint64_t>(use.ru_maxrss);
  usage.minor_faults = static_cast<uint64_t>(use.ru_minflt);
  usage.major_faults = static_cast<uint64_t>(use.ru_majflt);
  usage.voluntary_switches = static_cast<uint64_t>(use.ru_nvcsw);
  usage.involuntary_switches = static_cast<uint64_t>(use.ru_nivcsw);
  usage.core_dumped = si_code == CLD_DUMPED;
  return usage;
}

uint64_t MonotonicUs() {
  struct timespec now = {};
  raw::Call(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace linx
