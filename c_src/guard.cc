#include "guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "close_fds.h"
#include "descendants.h"
#include "raw_syscall.h"

namespace linx {
namespace {

// Between two passes over what is still dying.
constexpr struct timespec kPass = {0, 5'000'000};

bool Spared(void* context, pid_t pid) { return static_cast<const SpareTable*>(context)->Has(pid); }

void Reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// Until a pass finds nobody: the dead were reaped before it, the spared are not counted.
void KillTheRest(int proc_fd, SpareTable* spares) {
  Reap();
  while (KillDescendants(proc_fd, Spare{Spared, spares}) > 0) {
    nanosleep(&kPass, nullptr);
    Reap();
  }
}

[[noreturn]] void ExitLike(int status, int proc_fd, SpareTable* spares) {
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  KillTheRest(proc_fd, spares);
  _exit(128 + WTERMSIG(status));
}

// Signals that would end the guard are passed on, so that the agent winds down in order.
[[noreturn]] void Watch(pid_t agent, int proc_fd, SpareTable* spares) {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid == agent) ExitLike(status, proc_fd, spares);
    }
    siginfo_t info;
    const int signal = sigwaitinfo(&all, &info);
    if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT) {
      kill(agent, SIGTERM);
    }
  }
}

}  // namespace

Status StandGuard(SpareTable& spares) {
  const pid_t guard = getpid();
  const pid_t agent = fork();
  if (agent < 0) return Error::Last(Stage::fork);
  if (agent == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != guard) kill(getpid(), SIGTERM);
    return {};
  }
  prctl(PR_SET_NAME, "linx_guard");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int kept[] = {open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  CloseAllBut(0, kept, 1);
  Watch(agent, kept[0], &spares);
}

}  // namespace linx
