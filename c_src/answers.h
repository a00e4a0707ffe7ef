// What the agent says of itself rather than of a session.
#ifndef LINX_ANSWERS_H_
#define LINX_ANSWERS_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "frame.h"
#include "process_use.h"
#include "protocol.h"

namespace linx {

struct AgentStats {
  ProcessUse use;
  uint64_t sessions = 0;
  uint64_t sessions_started = 0;
  uint64_t bytes_in = 0;
  std::vector<pid_t> pids;  // of the workloads
};

void SayHello(Outbox* outbox, const std::vector<Feature>& features);
void SayStats(Outbox* outbox, const AgentStats& stats);
// libcap's names.
void SayCapabilities(Outbox* outbox);

}  // namespace linx

#endif  // LINX_ANSWERS_H_
