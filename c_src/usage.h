// What a workload used of the machine from its exec to its end.
#ifndef LINX_USAGE_H_
#define LINX_USAGE_H_

#include <cstdint>

namespace linx {

// As getrusage(2) counts: the workload and those of its children that it waited for.
struct Usage {
  uint64_t utime_us = 0;
  uint64_t stime_us = 0;
  uint64_t max_rss_kb = 0;
  uint64_t minor_faults = 0;
  uint64_t major_faults = 0;
  uint64_t voluntary_switches = 0;
  uint64_t involuntary_switches = 0;
  uint64_t wall_us = 0;  // from exec to the end, as the agent saw them
  bool core_dumped = false;
};

}  // namespace linx

#endif  // LINX_USAGE_H_
