#include "run.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace prefork {
namespace {

constexpr int kFailed = 127;
constexpr char kGreeting[8] = {'P', 'F', 'I', '\n', 0, 0, 0, 0};

bool to_syslog = false;

// A caller may go away at any point, which is nobody's fault.
void Receive(int call, void* data, size_t size) {
  auto* bytes = static_cast<char*>(data);
  while (size > 0) {
    ssize_t got = Retry([&] { return recv(call, bytes, size, 0); });
    if (got == 0 || (got < 0 && errno == ECONNRESET)) _exit(0);
    Check(static_cast<int>(got), "recv");
    bytes += got;
    size -= static_cast<size_t>(got);
  }
}

void Send(int call, const void* data, size_t size) {
  if (send(call, data, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size)) return;
  if (errno == EPIPE || errno == ECONNRESET) _exit(0);
  Fail("send", errno);
}

int ReceiveFd(int call) {
  char byte;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_LEN(sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got = Retry([&] { return recvmsg(call, &message, MSG_CMSG_CLOEXEC); });
  if (got == 0 || (got < 0 && errno == ECONNRESET)) _exit(0);
  Check(static_cast<int>(got), "recvmsg");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || (message.msg_flags & MSG_CTRUNC)) {
    Fail("a caller's byte does not come with one fd");
  }
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return fd;
}

std::string ReceiveText(int call) {
  uint32_t length;
  Receive(call, &length, sizeof(length));
  std::string text;
  // In pieces: a length is just a number until its bytes are there.
  for (size_t left = ntohl(length); left > 0;) {
    size_t piece = std::min<size_t>(left, 65536);
    text.resize(text.size() + piece);
    Receive(call, &text[text.size() - piece], piece);
    left -= piece;
  }
  return text;
}

Run ReceiveRun(int call) {
  Run run;
  Send(call, kGreeting, sizeof(kGreeting));
  char first;
  Receive(call, &first, 1);
  if (first != 0) Fail("a caller's first byte is not zero");
  for (int& fd : run.fds) fd = ReceiveFd(call);

  std::string text = ReceiveText(call);
  if (text.empty() || text.back() != 0) Fail("a caller's strings do not end");
  bool in_environment = true;
  for (size_t at = 0; at < text.size(); at += strlen(&text[at]) + 1) {
    std::string string = &text[at];
    if (in_environment && string.empty()) {
      in_environment = false;
    } else if (!in_environment) {
      run.arguments.push_back(string);
    } else if (string.find('=') != std::string::npos) {
      run.environment.push_back(string);
    } else {
      Fail("a caller's environment has a setting without a value");
    }
  }
  if (in_environment) Fail("a caller's environment does not end");
  return run;
}

}  // namespace

Run Monitor(int call) {
  Check(setpgid(0, 0), "setpgid");
  pid_t monitor = getpid();
  Run run = ReceiveRun(call);
  pid_t executor = Fork();
  if (executor == 0) {
    signal(SIGINT, SIG_DFL);
    // The caller would not learn of a run that went on without its monitor.
    prctl(PR_SET_PDEATHSIG, SIGINT);
    if (getppid() != monitor) _exit(kFailed);
    close(call);
    return run;
  }
  for (int fd : run.fds) close(fd);

  // Either the executor ends, or its caller goes away.
  pollfd either[] = {{OpenPidfd(executor), POLLIN, 0}, {call, POLLIN, 0}};
  Retry([&] { return poll(either, 2, -1); });
  signal(SIGINT, SIG_IGN);
  kill(0, SIGINT);
  int status = 0;
  Retry([&] { return waitpid(executor, &status, 0); });
  uint32_t number = htonl(static_cast<uint32_t>(status));
  Send(call, &number, sizeof(number));
  _exit(0);
}

std::vector<std::string> TakeOver(Run run, int argc, char** argv) {
  for (int i = 0; i < 3; i++) {
    Check(dup2(run.fds[i], i), "dup2");
    close(run.fds[i]);
  }
  clearenv();
  for (const std::string& setting : run.environment) {
    size_t end = setting.find('=');
    if (end > 0) setenv(setting.substr(0, end).c_str(), &setting[end + 1], 0);
  }
  clearerr(stdin);
  setvbuf(stdout, nullptr, isatty(1) ? _IOLBF : _IOFBF, BUFSIZ);
  closelog();
  // Debian's prefork-interp 7.0 puts the program and the script before the arguments.
  std::vector<std::string>& arguments = run.arguments;
  if (argc > 1 && arguments.size() > 1 && arguments[0] == argv[0] && arguments[1] == argv[1]) {
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  return std::move(arguments);
}

void Fail(const char* what, int error) {
  const char* reason = error == 0 ? "" : strerror(error);
  if (to_syslog) {
    syslog(LOG_ERR, "ending: %s %s", what, reason);
  } else {
    fprintf(stderr, "prefork: %s %s\n", what, reason);
  }
  _exit(kFailed);
}

void FailToSyslog() { to_syslog = true; }

int Check(int result, const char* what) {
  if (result < 0) Fail(what, errno);
  return result;
}

pid_t Fork() { return Check(fork(), "fork"); }

int OpenPidfd(pid_t pid) {
  return Check(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), "pidfd_open");
}

}  // namespace prefork
