#include "prefork.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "run.h"

namespace prefork {
namespace {

[[noreturn]] void Quit(const char* reason, const char* detail = "") {
  syslog(LOG_INFO, "ending: %s%s", detail, reason);
  _exit(0);
}

// PREFORK_INTERP: what the client that started the program has for it.
struct Setting {
  timespec started;
  int listener;
  int call;
  int watch_in;   // Held by the server alone: at its end the watcher ends.
  int watch_err;  // At the watcher's end, the server does.
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

long long Number(const std::string& text) {
  bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) Fail("PREFORK_INTERP has something else in the place of a number");
  return std::strtoll(text.c_str(), nullptr, 10);
}

Setting Parse(const char* text) {
  std::vector<std::string> words = Split(text, ' ');
  words.resize(2);
  std::vector<std::string> version = Split(words[0], ','), fds = Split(words[1], ',');
  version.resize(2);
  std::vector<std::string> time = Split(version[1], '.');
  if (version[0] != "v1" || time.size() != 2 || time[1].size() != 9 || fds.size() < 4) {
    Fail("PREFORK_INTERP is not of version 1 of the protocol");
  }
  Setting setting = {};
  setting.started = {static_cast<time_t>(Number(time[0])), static_cast<long>(Number(time[1]))};
  int* places[] = {&setting.listener, &setting.call, &setting.watch_in, &setting.watch_err};
  for (size_t i = 0; i < 4; i++) {
    *places[i] = static_cast<int>(Number(fds[i]));
    Check(fcntl(*places[i], F_SETFD, FD_CLOEXEC), "an fd of PREFORK_INTERP");
  }
  return setting;
}

class Server {
 public:
  Server(const Setting& setting, const Options& options) : setting_(setting), options_(options) {}

  // Answers in executors only, each with its run.
  Run Serve() {
    for (int call = setting_.call;; call = NextCall()) {
      pid_t pid = Fork();
      if (pid == 0) {
        for (int fd : {setting_.listener, setting_.watch_in, setting_.watch_err}) close(fd);
        for (const Child& child : monitors_) close(child.pidfd);
        return Monitor(call);
      }
      close(call);
      monitors_.push_back({OpenPidfd(pid), pid});
    }
  }

 private:
  struct Child {
    int pidfd;
    pid_t pid;
  };

  int NextCall() {
    for (;;) {
      std::vector<pollfd> fds = Wait();
      if (fds[0].revents != 0) ObeyWatcher();
      // Each after the first two is a monitor's, in the order of these.
      for (size_t i = monitors_.size(); i-- > 0;) {
        if (fds[2 + i].revents != 0) Reap(i);
      }
      if (fds[1].revents == 0) continue;
      CheckFiles();
      int call = accept4(setting_.listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (call >= 0) return call;
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) Fail("accept", errno);
    }
  }

  std::vector<pollfd> Wait() {
    bool full = options_.max_servers != 0 && monitors_.size() >= options_.max_servers;
    // poll(2) looks past negative fds.
    std::vector<pollfd> fds = {{setting_.watch_err, POLLIN, 0},
                               {full ? -1 : setting_.listener, POLLIN, 0}};
    for (const Child& child : monitors_) fds.push_back({child.pidfd, POLLIN, 0});
    auto idle = options_.idle_timeout.count();
    bool idles = monitors_.empty() && idle > 0;
    int timeout = idles ? static_cast<int>(std::min<long long>(idle, INT_MAX)) : -1;
    int ready = Retry([&] { return poll(fds.data(), fds.size(), timeout); });
    if (Check(ready, "poll") == 0) Quit("no run for too long");
    return fds;
  }

  void ObeyWatcher() {
    char text[2048];
    ssize_t size = read(setting_.watch_err, text, sizeof(text) - 1);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size == 0) Quit("the socket has been replaced or removed");
    Check(static_cast<int>(size), "reading from the watcher");
    text[size] = 0;
    Fail(text);
  }

  void Reap(size_t index) {
    int status = 0;
    Retry([&] { return waitpid(monitors_[index].pid, &status, 0); });
    if (status != 0 && status != SIGPIPE) {
      syslog(LOG_WARNING, "monitor %d failed with wait status %d", monitors_[index].pid, status);
    }
    close(monitors_[index].pidfd);
    monitors_.erase(monitors_.begin() + static_cast<ptrdiff_t>(index));
  }

  void CheckFiles() {
    for (const std::string& file : options_.program_files) {
      struct stat now;
      if (stat(file.c_str(), &now) < 0) {
        if (errno == ENOENT || errno == ENOTDIR) continue;
        Fail(file.c_str(), errno);
      }
      const timespec& changed = now.st_mtim;
      const timespec& started = setting_.started;
      if (changed.tv_sec > started.tv_sec ||
          (changed.tv_sec == started.tv_sec && changed.tv_nsec > started.tv_nsec)) {
        Quit(" has changed", file.c_str());
      }
    }
  }

  const Setting setting_;
  const Options options_;
  std::vector<Child> monitors_;
};

void Detach() {
  Check(setsid(), "setsid");
  int null = Check(open("/dev/null", O_RDWR), "/dev/null");
  for (int fd = 0; fd < 3; fd++) Check(dup2(null, fd), "dup2");
  if (null > 2) close(null);
  for (int number : {SIGINT, SIGCHLD}) signal(number, SIG_DFL);
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(SIG_UNBLOCK, &interrupt, nullptr);
  FailToSyslog();
}

// Also right after the program has changed its directory, or its file was replaced.
std::string Absolute(const std::string& path) {
  char* name = realpath(path.c_str(), nullptr);
  std::string absolute = name == nullptr ? path : name;
  free(name);
  return absolute;
}

}  // namespace

std::vector<std::string> InitialisationComplete(int argc, char** argv, const Options& options) {
  const char* text = getenv("PREFORK_INTERP");
  if (text == nullptr) return {argv + std::min(argc, 2), argv + argc};

  Setting setting = Parse(text);
  Options mine = options;
  mine.program_files.push_back("/proc/self/exe");
  if (argc > 1) mine.program_files.push_back(argv[1]);
  for (std::string& file : mine.program_files) file = Absolute(file);
  openlog(program_invocation_short_name, LOG_PID, mine.log_facility);

  fflush(nullptr);
  // Whoever waits for this process learns that the program is ready.
  if (Fork() != 0) _exit(0);
  Detach();
  return TakeOver(Server(setting, mine).Serve(), argc, argv);
}

}  // namespace prefork
