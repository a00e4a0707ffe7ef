// One run of a warm program: what its caller asks for, the monitor that sees it through, and the
// executor, which becomes it.
#ifndef LINX_EXAMPLES_PREFORK_RUN_H_
#define LINX_EXAMPLES_PREFORK_RUN_H_

#include <sys/types.h>

#include <cerrno>
#include <string>
#include <vector>

namespace prefork {

// One run, as its caller asks for it.
struct Run {
  int fds[3];
  std::vector<std::string> environment;
  std::vector<std::string> arguments;
};

// Sees the run of a call through. Answers in its executor only.
Run Monitor(int call);

// Makes this process the run; answers its arguments.
std::vector<std::string> TakeOver(Run run, int argc, char** argv);

// Ends this process with 127, after a message: on stderr, or in syslog(3) once there is no stderr.
[[noreturn]] void Fail(const char* what, int error = 0);
void FailToSyslog();

// Fails with errno where a result says so.
int Check(int result, const char* what);

pid_t Fork();

// A pidfd is readable once its process has ended.
int OpenPidfd(pid_t pid);

// The result of a call that a signal may interrupt.
template <typename Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace prefork

#endif  // LINX_EXAMPLES_PREFORK_RUN_H_
