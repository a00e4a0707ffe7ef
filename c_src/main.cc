// linx_process: the port program. Started by the BEAM with fd 3 to read from and fd 4 to write to.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "capabilities.h"
#include "close_fds.h"
#include "event_loop.h"
#include "guard.h"
#include "launch.h"
#include "private_heap.h"
#include "protocol.h"
#include "sealed_self.h"
#include "session_table.h"
#include "spare_table.h"
#include "strays.h"

namespace linx {
namespace {

constexpr int kInFd = 3;
constexpr int kOutFd = 4;
constexpr uint32_t kSweepMs = 1000;
constexpr int kReaderMs = 1000;

int Complain(const Error& error) {
  std::fprintf(stderr, "linx_process: %s: %s\n", Name(error.stage).data(),
               std::strerror(error.code));
  return kSetupFailed;
}

// A workload's fds 0-2 are ours by default: where one is closed, no other fd may take its place.
bool FillStandardFds() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR | O_NOCTTY);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
  return fd >= 0;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// Workloads start with default dispositions: ours are that. The BEAM leaves SIGPIPE and SIGFPE
// ignored.
void ResetSignals() {
  for (int number = 1; number <= SIGRTMAX; ++number) signal(number, SIG_DFL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

// What the agent must not pass on, and what others must not read.
void MakePrivate() {
  int kept[] = {kInFd, kOutFd};
  CloseAllBut(3, kept, 2);
  for (const int fd : kept) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  EmptyInheritableSet();
}

// Signals as events: SIGTERM and the like end the agent in order; SIGCHLD may mean an orphan of a
// session without an init.
class Signals {
 public:
  Signals(EventLoop& loop, Launcher& launcher, SessionTable& table)
      : loop_(loop), launcher_(launcher), table_(table) {}

  Status Open() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, number);
    fd_.Reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) return Error::Last(Stage::signalfd);
    Result<EventLoop::Watch> watch =
        loop_.Add(fd_.get(), EPOLLIN, Handler::To<&Signals::OnSignal>(this));
    if (!watch.ok()) return watch.error();
    watch_ = watch.Take();
    return {};
  }

 private:
  void OnSignal() {
    struct signalfd_siginfo info[4];
    const ssize_t n = read(fd_.get(), info, sizeof(info));
    for (size_t i = 0; n > 0 && i < static_cast<size_t>(n) / sizeof(info[0]); ++i) {
      if (info[i].ssi_signo != SIGCHLD) {
        table_.WindDown();
        continue;
      }
      ReapStrays(launcher_, static_cast<pid_t>(info[i].ssi_pid));
      // SIGCHLDs that came together are one: look for the others before long.
      if (!sweep_) sweep_ = loop_.After(kSweepMs, Handler::To<&Signals::OnSweep>(this));
    }
  }

  void OnSweep() { ReapStrays(launcher_, 0); }

  EventLoop& loop_;
  Launcher& launcher_;
  SessionTable& table_;
  UniqueFd fd_;
  EventLoop::Watch watch_;
  EventLoop::Timer sweep_;
};

// A BEAM that writes to a pipe which is closed drops the port, and with it what it has not read:
// the last frames. So the pipe is closed when they have been read, or the reader is gone or slow.
void AwaitReader() {
  for (int turn = 0; turn < kReaderMs; ++turn) {
    int unread = 0;
    struct pollfd out = {kOutFd, 0, 0};
    if (ioctl(kOutFd, FIONREAD, &unread) < 0 || unread == 0 || poll(&out, 1, 1) != 0) return;
  }
}

int RunAgent(SpareTable& spares, LeafParents& parents) {
  MakePrivate();
  if (!KeepHeapInOnePiece()) return Complain(Error::Last(Stage::open_proc, "/proc/self/stat"));
  EventLoop loop;
  Launcher launcher;
  SessionTable table(loop, launcher, spares, parents, kInFd, kOutFd);
  Signals signals(loop, launcher, table);
  for (const Status& status : {loop.Open(), launcher.Open(), table.Open(), signals.Open()}) {
    if (!status.ok()) return Complain(status.error());
  }
  do {
    loop.Turn();
  } while (table.EndTurn());
  AwaitReader();
  return table.exit_code();
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--version") {
    std::printf("linx_process %s (protocol %d)\n", LINX_VERSION, kProtocolVersion);
    return 0;
  }
  if (!FillStandardFds()) return kSetupFailed;
  if (!IsOpen(kInFd) || !IsOpen(kOutFd)) {
    std::fprintf(stderr,
                 "linx_process is an Erlang port program: it reads requests from fd 3 and writes "
                 "events to fd 4.\nUse it through Linx.Process, or see docs/protocol.md.\n");
    return kChannelFailed;
  }
  ResetSignals();
  if (!RunsSealed()) {
    ExecSealed(argv);
    std::fprintf(stderr, "linx_process: no sealed copy of the program: %s; running from its file\n",
                 std::strerror(errno));
  }
  prctl(PR_SET_NAME, "linx_process");
  SpareTable* spares = SpareTable::Create();
  LeafParents* parents = LeafParents::Create();
  if (spares == nullptr || parents == nullptr) return Complain(Error::Last(Stage::memory));
  const Status guarded = StandGuard(*spares, *parents);
  if (!guarded.ok()) return Complain(guarded.error());
  return RunAgent(*spares, *parents);
}

}  // namespace
}  // namespace linx

int main(int argc, char** argv) { return linx::Main(argc, argv); }
