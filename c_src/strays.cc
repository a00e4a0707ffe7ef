#include "strays.h"

#include <sys/wait.h>

#include "descendants.h"

namespace linx {
namespace {

struct Search {
  const Launcher& launcher;
  int found = 0;
};

// A child of a session is spared, and so is a dead stray, which is reaped here. The dead count as
// well: their children became the agent's perhaps only after this pass had read who those are.
bool Spared(void* context, pid_t pid) {
  auto* search = static_cast<Search*>(context);
  if (search->launcher.Knows(pid)) return true;
  ++search->found;
  return waitpid(pid, nullptr, WNOHANG) == pid;
}

}  // namespace

bool KillStrays(const Launcher& launcher) {
  // A workload that an enter helper has made is the agent's child before the agent hears of it.
  if (launcher.entering()) return true;
  Search search{launcher};
  KillDescendants(launcher.proc_fd(), Spare{Spared, &search});
  return search.found > 0;
}

void ReapStrays(Launcher& launcher, pid_t hint) {
  if (hint != 0) {
    if (hint == launcher.last_reaped()) return;
    launcher.BuryIdle(hint);
    if (!launcher.Knows(hint) && !launcher.entering()) waitpid(hint, nullptr, WNOHANG);
    return;
  }
  for (;;) {
    siginfo_t info = {};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
    launcher.BuryIdle(info.si_pid);
    // The first of the dead belongs to a session, whose own event will reap it: again later.
    if (launcher.Knows(info.si_pid) || launcher.entering()) return;
    waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace linx
