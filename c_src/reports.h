// The agent's end of the channels from children, inits and enter helpers (see channel.h).
#ifndef LINX_REPORTS_H_
#define LINX_REPORTS_H_

#include <cstdint>

#include "channel.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

// A channel whose one end is for a child.
struct ChannelPair {
  UniqueFd ours, theirs;
};

// Errors: socketpair.
Result<ChannelPair> MakeChannel();

enum class Got : uint8_t {
  message,
  nothing,  // for now
  closed,   // or a record that is none
};

// The next report, without waiting. A file descriptor that comes with it goes to `passed`.
Got ReceiveReport(int channel, Report* report, UniqueFd* passed);

}  // namespace linx

#endif  // LINX_REPORTS_H_
