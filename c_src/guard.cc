#include "guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "clone.h"
#include "close_fds.h"
#include "descendants.h"
#include "proc_stat.h"

namespace linx {
namespace {

// Between two passes over what is still dying.
constexpr struct timespec kPass = {0, 5'000'000};
// How many of them an init has to end what it holds.
constexpr int kInitPasses = 400;
// How many there are for what dies in a leaf out of the guard's reach. In vain for a workload that
// may linger.
constexpr int kLeafPasses = 200;

constexpr char kGuardName[] = "linx_guard";

// What outlives an agent in memory that it shared.
struct Legacy {
  const SpareTable& spares;
  const LeafParents& parents;
};

struct Rest {
  int proc_fd;
  const SpareTable* spares;
  int passes = 0;
  bool inits = false;  // some are still at work
};

// An init ends its session by itself once the agent is gone, and those in a pid namespace that was
// entered reach what the guard does not. One that takes too long is killed like the others.
bool IsInitAtWork(const Rest& rest, pid_t pid) {
  ProcStat stat;
  return rest.passes < kInitPasses && ReadProcStat(rest.proc_fd, pid, &stat) &&
         (std::strcmp(stat.name, "linx_init") == 0 || std::strcmp(stat.name, kGuardName) == 0);
}

bool Spared(void* context, pid_t pid) {
  auto* rest = static_cast<Rest*>(context);
  if (rest->spares != nullptr && rest->spares->Has(pid)) return true;
  if (!IsInitAtWork(*rest, pid)) return false;
  rest->inits = true;
  return true;
}

void Reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// Until a pass finds nobody: the dead were reaped before it, the spared are not counted.
void KillTheRest(int proc_fd, const SpareTable* spares) {
  Rest rest{proc_fd, spares};
  Reap();
  while (KillDescendants(proc_fd, Spare{Spared, &rest}) > 0 || rest.inits) {
    ++rest.passes;
    rest.inits = false;
    nanosleep(&kPass, nullptr);
    Reap();
  }
}

// A process in a pid namespace that was entered is reaped there, and so may die after all others.
void RemoveLeaves(const LeafParents& parents, pid_t agent) {
  for (int pass = 0; !parents.RemoveLeavesOf(agent) && pass < kLeafPasses; ++pass) {
    nanosleep(&kPass, nullptr);
  }
}

[[noreturn]] void ExitLike(pid_t child, int status, int proc_fd, const Legacy* legacy) {
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  KillTheRest(proc_fd, legacy != nullptr ? &legacy->spares : nullptr);
  if (legacy != nullptr) RemoveLeaves(legacy->parents, child);
  _exit(128 + WTERMSIG(status));
}

// Signals that would end the guard are passed on, so that the agent winds down in order. So is
// SIGCONT, with which the agent wakes an init.
[[noreturn]] void Watch(pid_t child, int proc_fd, const Legacy* legacy) {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid == child) ExitLike(pid, status, proc_fd, legacy);
    }
    siginfo_t info;
    const int signal = sigwaitinfo(&all, &info);
    if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT) {
      kill(child, SIGTERM);
    }
    if (signal == SIGCONT) kill(child, SIGCONT);
  }
}

}  // namespace

Status StandGuard(const SpareTable& spares, const LeafParents& parents) {
  const pid_t guard = getpid();
  const pid_t agent = fork();
  if (agent < 0) return Error::Last(Stage::fork);
  if (agent == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != guard) kill(getpid(), SIGTERM);
    return {};
  }
  prctl(PR_SET_NAME, kGuardName);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int kept[] = {open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  CloseAllBut(0, kept, 1);
  const Legacy legacy{spares, parents};
  Watch(agent, kept[0], &legacy);
}

long StandGuardOverInit(int proc_fd) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int pidfd = -1;
  const long init = Fork(0, &pidfd);
  if (init <= 0) return init;
  prctl(PR_SET_NAME, kGuardName);
  // Should both be stopped when the agent dies.
  prctl(PR_SET_PDEATHSIG, SIGCONT);
  int kept[] = {proc_fd};
  CloseAllBut(0, kept, 1);
  Watch(static_cast<pid_t>(init), proc_fd, nullptr);
}

}  // namespace linx
