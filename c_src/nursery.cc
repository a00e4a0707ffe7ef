#include "nursery.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>

#include "channel.h"
#include "clone.h"
#include "close_fds.h"
#include "init.h"
#include "raw_syscall.h"

namespace linx {
namespace {

constexpr size_t kStackSize = 64 << 10;

// What the child starts from, and what it leaves.
struct Standby {
  int channel = -1;
  PlanImage image;
};

int EnterStandby(void* argument) {
  auto* standby = static_cast<Standby*>(argument);
  RunStandby(standby->channel, &standby->image);
}

}  // namespace

void RunNursery(int control, const PlanImage& image) {
  alignas(16) char stack[kStackSize];
  Standby standby;
  standby.image = image;
  raw::Call(SYS_prctl, PR_SET_NAME, kIdleName, 0, 0, 0);
  raw::Call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  int kept[] = {control};
  if (CloseAllBut(3, kept, 1) < 0) raw::Exit(kNotReached);
  for (;;) {
    char order;
    int channel = -1;
    const long n = ReceiveRecord(control, &order, sizeof(order), &channel, 0);
    if (n == -EINTR) continue;
    if (n <= 0) raw::Exit(0);
    // The next child is to find nothing of the last one's.
    explicit_bzero(standby.image.base, standby.image.used);
    standby.image.used = 0;
    if (channel < 0) continue;
    standby.channel = channel;
    int pidfd = -1;
    const long made = CloneSharing(CLONE_PARENT, EnterStandby, &standby, stack, kStackSize, &pidfd);
    raw::Call(SYS_close, channel);
    if (made < 0) raw::Exit(kNotReached);
    Report report = {};
    report.kind = Report::Kind::launched;
    report.pid = static_cast<int32_t>(made);
    SendReport(control, report, pidfd);
    raw::Call(SYS_close, pidfd);
  }
}

}  // namespace linx
