// The client's side of one run of a warm script, as prefork-interp(1) speaks it: a greeting, what
// the run is given, its wait status. A state machine without any waiting of its own: its owner
// waits for its fd, with poll(2) or in an event loop.
//
//   greeting → greeted → sending → waiting → ended
#ifndef LINX_PREFORK_CALL_H_
#define LINX_PREFORK_CALL_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace linx {

// What a greeting may hold besides itself; all of it is ignored.
constexpr size_t kMaxGreetingExtra = 64u << 10;

class PreforkCall {
 public:
  enum class Phase : uint8_t {
    greeting,  // waits for the monitor's first word
    greeted,   // waits for Run
    sending,
    waiting,  // for the wait status
    ended,    // `wait_status` or `error` is there
  };

  // `socket` is connected, or an end of a pair. It is never waited for, whether it blocks or not.
  explicit PreforkCall(UniqueFd socket);

  // Has the kernel say who writes to this socket. What is written before that is anonymous, so call
  // it ahead of connect(2). Errors: prefork_connect.
  static Status LearnMonitor(int socket);

  // Does all that can be done at once; to be called when the fd is ready, and harmless otherwise.
  void Advance();
  // Hands the run over; to be called once, when greeted. `stdio` are borrowed until Advance has
  // left the phase `sending`.
  void Run(const std::array<int, 3>& stdio, std::string settings);
  // The only request to end that there is: the script sends SIGINT to the run's processes, and its
  // status still comes. Before `waiting` it takes effect there.
  void HangUp();
  // Both ways: the end follows, with an error.
  void Close();

  Phase phase() const { return phase_; }
  int fd() const { return socket_.get(); }
  // What to wait for on the fd (POLLIN or POLLOUT, which EPOLLIN and EPOLLOUT equal); 0 at the end.
  short wants() const;
  // The process that greeted, as its kernel tells it; 0 where that is not known.
  pid_t monitor() const { return monitor_; }

  // As of waitpid(2).
  const std::optional<int>& wait_status() const { return wait_status_; }
  // Why there is no status:
  //   prefork_greeting  ECONNRESET: the other end closed; EPROTO: it speaks something else;
  //                     EMSGSIZE: more than kMaxGreetingExtra
  //   prefork_send      EPIPE, ECONNRESET: the other end closed before it had read all of it; and
  //                     what else sendmsg(2) says
  //   prefork_status    ECONNRESET: the other end closed; EPROTO: in the middle of the status
  // Of all but the last the run never began, and may be tried again.
  const std::optional<Error>& error() const { return error_; }

 private:
  // Each does a step of its phase; false where it has to wait for the socket, or the call is over.
  bool ReadGreeting();
  bool AwaitRun();
  bool Send();
  bool SendFds();
  bool ReadStatus();

  // Bytes that were read, 0 where there are none yet; -1 with errno 0 at the end.
  ssize_t Read(void* bytes, size_t size);
  bool Fail(Stage stage, int code);
  bool FailRead(Stage stage);

  UniqueFd socket_;
  Phase phase_ = Phase::greeting;
  pid_t monitor_ = 0;
  std::string received_;     // of the greeting's head, or of the status
  uint32_t extra_left_ = 0;  // of the greeting
  std::array<int, 3> stdio_ = {-1, -1, -1};
  size_t heads_sent_ = 0;  // the zero byte, and one for each fd
  std::string settings_;
  size_t sent_ = 0;  // of them
  bool hang_up_ = false;
  std::optional<int> wait_status_;
  std::optional<Error> error_;
};

// Environment and arguments, without the script's name, as Run takes them. An empty setting would
// end the environment, and is left out.
std::string PreforkSettings(const std::vector<std::string>& env,
                            const std::vector<std::string>& args);

// What a script that is started finds its fds by.
struct PreforkFds {
  int listener;  // does not block
  int call;      // of the first run; blocks
  int watcher;   // to hold: its end tells the watcher that the server is gone
  int warnings;  // to read: text or its end ends the server; does not block
};

// The value of PREFORK_INTERP. The script is started anew where a file of it is newer than `made`.
std::string PreforkVariable(const struct timespec& made, const PreforkFds& fds);

}  // namespace linx

#endif  // LINX_PREFORK_CALL_H_
