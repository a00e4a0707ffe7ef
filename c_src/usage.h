// What a workload used of the machine. No heap, no errno: the init uses it too.
#ifndef LINX_USAGE_H_
#define LINX_USAGE_H_

#include <sys/resource.h>

#include <cstdint>

namespace linx {

// As getrusage(2) counts: the workload, what it was before its exec included, and those of its
// children that it waited for.
struct Usage {
  uint64_t utime_us = 0;
  uint64_t stime_us = 0;
  uint64_t max_rss_kb = 0;
  uint64_t minor_faults = 0;
  uint64_t major_faults = 0;
  uint64_t voluntary_switches = 0;
  uint64_t involuntary_switches = 0;
  uint64_t wall_us = 0;  // from when it was let go on to its exec until its end
  bool core_dumped = false;
};

// Of a process that was waited for: its rusage, and the si_code of its end. The wall time is left
// to the caller.
Usage UsageOf(const struct rusage& use, int si_code);

// Microseconds by the caller's CLOCK_MONOTONIC. Readings of processes in different time namespaces
// cannot be compared, spans of time can.
uint64_t MonotonicUs();

}  // namespace linx

#endif  // LINX_USAGE_H_
