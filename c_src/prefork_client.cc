#include "prefork_client.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "prefork_fatal.h"

namespace linx {
namespace {

using Phase = PreforkCall::Phase;

// For as long as it takes: a script may run for days, or wait for its turn behind others that do.
void WaitFor(const PreforkCall& call) {
  struct pollfd wanted = {call.fd(), call.wants(), 0};
  poll(&wanted, 1, -1);
}

bool EndsClients(int number) {
  return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGPIPE ||
         number == SIGKILL;
}

void DieOf(int number) {
  signal(number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  raise(number);
}

}  // namespace

bool AwaitGreeting(PreforkCall& call) {
  for (call.Advance(); call.phase() == Phase::greeting; call.Advance()) WaitFor(call);
  return call.phase() == Phase::greeted;
}

void PerformRun(PreforkCall& call, std::string settings) {
  call.Run({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}, std::move(settings));
  for (call.Advance(); call.phase() != Phase::ended; call.Advance()) WaitFor(call);
}

void EndAs(int wait_status, const std::string& what) {
  if (WIFEXITED(wait_status)) _exit(WEXITSTATUS(wait_status));
  if (!WIFSIGNALED(wait_status)) {
    PreforkFatal(what + " has ended in a way that is unknown: " + std::to_string(wait_status));
  }
  const int number = WTERMSIG(wait_status);
  if (EndsClients(number) && !WCOREDUMP(wait_status)) DieOf(number);
  PreforkFatal(what + " died of signal " + std::to_string(number) + " (" + strsignal(number) +
               (WCOREDUMP(wait_status) ? ", core dumped)" : ")"));
}

}  // namespace linx
