// Processes for tests. What a test starts it kills and reaps, and it waits for events with a
// deadline instead of sleeping.
#ifndef LINX_TEST_PROCESS_H_
#define LINX_TEST_PROCESS_H_

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include "proc_stat.h"
#include "unique_fd.h"

namespace linx::test {

// Far beyond what anything here takes, also under sanitizers on a busy machine.
constexpr int kDeadlineMs = 20'000;

// Asks again and again until it is so; false at the deadline.
template <typename Predicate>
bool Eventually(Predicate so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
  while (!so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

// Whether there is something to read, or the end, before the deadline.
inline bool Readable(int fd) {
  struct pollfd wanted = {fd, POLLIN, 0};
  return poll(&wanted, 1, kDeadlineMs) == 1;
}

inline UniqueFd OpenPidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

// A pipe whose ends no exec'd program gets.
struct Pipe {
  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) std::abort();
    out.Reset(fds[0]);
    in.Reset(fds[1]);
  }
  // Everything until the end.
  std::string ReadAll() {
    in.Reset();
    std::string all;
    char chunk[4096];
    ssize_t n;
    while (Readable(out.get()) && (n = read(out.get(), chunk, sizeof(chunk))) > 0) {
      all.append(chunk, static_cast<size_t>(n));
    }
    return all;
  }
  // A line without its end.
  std::string ReadLine() {
    std::string line;
    char c;
    while (Readable(out.get()) && read(out.get(), &c, 1) == 1 && c != '\n') line += c;
    return line;
  }
  UniqueFd out, in;
};

// A process of the test's own. Owning it means to kill and reap it.
class Process {
 public:
  Process() = default;
  explicit Process(pid_t pid) : pid_(pid) {}
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Process& operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  // As waitpid(2) tells; -1 where it has not ended by the deadline.
  int Wait() {
    const UniqueFd pidfd = OpenPidfd(pid_);
    int status = -1;
    if (!pidfd || !Readable(pidfd.get()) || waitpid(pid_, &status, 0) != pid_) return -1;
    pid_ = 0;
    return status;
  }
  // The exit code; -1 where it ended otherwise or not at all.
  int ExitCode() {
    const int status = Wait();
    return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // The signal that ended it; -1 likewise.
  int EndSignal() {
    const int status = Wait();
    return status >= 0 && WIFSIGNALED(status) ? WTERMSIG(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

// Runs `body()` in a fork, which exits with what it answers.
template <typename Body>
Process ForkProcess(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  return Process(pid);
}

// For the part of a fork that plays the agent, whose children get this from it.
inline void TakeSignalsAsTheAgentDoes() {
  for (int number = 1; number <= SIGRTMAX; ++number) signal(number, SIG_DFL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline std::string ProcPath(pid_t pid, const std::string& file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// A line of /proc/PID/status, without its name and the white space around it.
inline std::string StatusLine(pid_t pid, const std::string& name) {
  const std::string all = "\n" + ReadFile(ProcPath(pid, "status"));
  size_t at = all.find("\n" + name + ":");
  if (at == std::string::npos) return {};
  at = all.find_first_not_of(" \t", at + name.size() + 2);
  std::string line = all.substr(at, all.find('\n', at) - at);
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

inline uint64_t StatusMask(pid_t pid, const std::string& name) {
  return std::strtoull(StatusLine(pid, name).c_str(), nullptr, 16);
}

inline std::string ReadLink(const std::string& path) {
  char target[4096];
  const ssize_t n = readlink(path.c_str(), target, sizeof(target));
  return n < 0 ? std::string() : std::string(target, static_cast<size_t>(n));
}

inline UniqueFd OpenProc() { return UniqueFd(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

// Whether it runs: neither gone nor a zombie.
inline bool IsAlive(pid_t pid) {
  ProcStat stat;
  return ReadProcStat(OpenProc().get(), pid, &stat) && stat.state != 'Z' && stat.state != 'X';
}

inline bool HasExeced(pid_t pid) {
  ProcStat stat;
  return ReadProcStat(OpenProc().get(), pid, &stat) && stat.execed();
}

// Whether this process may do what CAP_* number `cap` is for.
inline bool HasCapability(int cap) { return (StatusMask(getpid(), "CapEff") >> cap & 1) != 0; }

// Whether a user namespace can be made here.
inline bool HasUserNamespaces() {
  static const bool has = ForkProcess([] {
                            return syscall(SYS_unshare, 0x10000000 /* NEWUSER */) == 0 ? 0 : 1;
                          }).ExitCode() == 0;
  return has;
}

}  // namespace linx::test

#endif  // LINX_TEST_PROCESS_H_
