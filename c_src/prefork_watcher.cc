#include "prefork_watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <iterator>

#include "close_fds.h"
#include "prefork_fatal.h"

namespace linx {
namespace {

struct Pipe {
  UniqueFd out, in;
};

Pipe OpenPipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) PreforkFatalErrno("cannot make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Nothing of whoever ran the client: not the terminal, not the directory, not the fds.
void Detach(int alive, int warnings, int changes, int rundir) {
  setsid();
  prctl(PR_SET_NAME, "linx_watcher");
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  dup2(null.get(), STDOUT_FILENO);
  dup2(warnings, STDERR_FILENO);
  int kept[] = {alive, changes, rundir};
  CloseAllBut(3, kept, std::size(kept));
  if (chdir("/") < 0) PreforkFatalErrno("the watcher cannot leave its directory");
}

bool IsThere(int rundir, const std::string& name, const struct stat& made) {
  struct stat found;
  return fstatat(rundir, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         found.st_dev == made.st_dev && found.st_ino == made.st_ino;
}

void Watch(int alive, int changes, int rundir, const std::string& name, const struct stat& made) {
  struct pollfd wanted[] = {{alive, POLLIN, 0}, {changes, POLLIN, 0}};
  while (IsThere(rundir, name, made)) {
    wanted[0].revents = wanted[1].revents = 0;
    if (poll(wanted, std::size(wanted), -1) < 0 && errno != EINTR) {
      PreforkFatalErrno("the watcher cannot wait");
    }
    if (wanted[0].revents != 0) return;
    alignas(struct inotify_event) char events[sizeof(struct inotify_event) + NAME_MAX + 1];
    if (wanted[1].revents != 0 && read(changes, events, sizeof(events)) <= 0) {
      PreforkFatalErrno("the watcher learns of no change");
    }
  }
  std::fputs("the socket was removed or replaced\n", stderr);
}

}  // namespace

PreforkWatched StartPreforkWatcher(const PreforkRundir& rundir, const std::string& ident,
                                   const struct stat& made) {
  const std::string name = PreforkRundir::SocketName(ident);
  const UniqueFd changes(inotify_init1(IN_CLOEXEC));
  const std::string path = rundir.path() + "/" + name;
  // Removal is a change of the number of links. Where it is gone already, the watcher sees that.
  if (!changes || (inotify_add_watch(changes.get(), path.c_str(),
                                     IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) < 0 &&
                   errno != ENOENT)) {
    PreforkFatalErrno("cannot watch " + path);
  }
  Pipe alive = OpenPipe();
  Pipe warnings = OpenPipe();
  const pid_t watcher = fork();
  if (watcher < 0) PreforkFatalErrno("cannot make a process");
  if (watcher == 0) {
    Detach(alive.out.get(), warnings.in.get(), changes.get(), rundir.fd());
    Watch(alive.out.get(), changes.get(), rundir.fd(), name, made);
    _exit(0);
  }
  fcntl(warnings.out.get(), F_SETFL, O_NONBLOCK);
  return PreforkWatched{std::move(alive.in), std::move(warnings.out)};
}

}  // namespace linx
