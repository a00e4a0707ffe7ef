#include "prefork_start.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <vector>

#include "close_fds.h"
#include "prefork_client.h"
#include "prefork_fatal.h"
#include "prefork_watcher.h"

namespace linx {
namespace {

// A server serves many: what the first of them happens to ignore or to block is not for the others.
void ResetSignals() {
  signal(SIGINT, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void SetStdio() {
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null || dup2(null.get(), STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    PreforkFatalErrno("cannot open /dev/null");
  }
}

// Likewise nothing else that the first client has open.
void KeepOnly(const PreforkFds& fds) {
  int kept[] = {fds.listener, fds.call, fds.watcher, fds.warnings};
  CloseAllBut(3, kept, std::size(kept));
  for (const int fd : kept) fcntl(fd, F_SETFD, 0);
}

[[noreturn]] void BecomeScript(const PreforkOptions& options, const struct timespec& made,
                               const PreforkFds& fds) {
  std::vector<char*> argv;
  const auto add = [&](const std::string& word) {
    argv.push_back(const_cast<char*>(word.c_str()));
  };
  for (const std::string& word : options.program) add(word);
  if (options.script) add(*options.script);
  for (const std::string& word : options.arguments) add(word);
  argv.push_back(nullptr);
  SetStdio();
  KeepOnly(fds);
  ResetSignals();
  setenv("PREFORK_INTERP", PreforkVariable(made, fds).c_str(), 1);
  execvp(argv[0], argv.data());
  PreforkFatalErrno("cannot execute " + options.program[0]);
}

int AwaitExit(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) PreforkFatalErrno("cannot wait for the script");
  }
  return status;
}

}  // namespace

PreforkCall StartPrefork(const PreforkRundir& rundir, const std::string& ident,
                         const PreforkOptions& options) {
  rundir.MakeRoom(ident);
  rundir.RemoveSocket(ident);
  UniqueFd listener = rundir.Listen(ident);
  struct stat made;
  const std::string name = PreforkRundir::SocketName(ident);
  if (fstatat(rundir.fd(), name.c_str(), &made, AT_SYMLINK_NOFOLLOW) < 0) {
    PreforkFatalErrno("cannot look at " + rundir.path() + "/" + name);
  }
  PreforkWatched watched = StartPreforkWatcher(rundir, ident, made);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    PreforkFatalErrno("cannot make a socket");
  }
  UniqueFd ours(ends[0]), theirs(ends[1]);
  const pid_t script = fork();
  if (script < 0) PreforkFatalErrno("cannot make a process");
  if (script == 0) {
    BecomeScript(options, made.st_mtim,
                 {listener.get(), theirs.get(), watched.alive.get(), watched.warnings.get()});
  }
  PreforkCall call(std::move(ours));
  for (UniqueFd* fd : {&listener, &theirs, &watched.alive, &watched.warnings}) fd->Reset();

  // Its parent exits when the server is there, or with what has gone wrong.
  const int status = AwaitExit(script);
  if (status == 0 && AwaitGreeting(call)) return call;
  rundir.RemoveSocket(ident);
  rundir.RemoveLock(ident);
  if (status != 0) EndAs(status, "the script, which was starting,");
  PreforkFatal("the script has not said that its initialisation is complete: nothing was run");
}

}  // namespace linx
