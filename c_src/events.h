// What a session says to the BEAM. In the envelope each event is `{id, event}`, and errors may
// carry a detail; the anonymous session's events are bare.
#ifndef LINX_EVENTS_H_
#define LINX_EVENTS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "frame.h"
#include "result.h"
#include "session_stats.h"
#include "usage.h"

namespace linx {

// A call of the workload that somebody is to decide.
struct SyscallCall {
  uint64_t id;
  int pid;  // of the thread that makes it, as the agent numbers it
  int number;
  std::string_view name;  // empty where nobody knows it
  uint32_t arch;          // AUDIT_ARCH_*
  uint64_t instruction_pointer;
  uint64_t args[6];
};

class Events {
 public:
  Events(Outbox* outbox, std::optional<uint64_t> id) : outbox_(outbox), id_(id) {}

  void Spawned(pid_t host_pid) { Status(Event::spawned, host_pid); }
  void Ready(pid_t ns_pid) { Status(Event::ready, ns_pid); }
  void Running() { Status(Event::running); }
  void Forked() { Status(Event::forked); }
  void Paused() { Status(Event::paused); }
  void Resumed() { Status(Event::resumed); }
  void Exited(int code) { Status(Event::exited, code); }
  void Signaled(int number) { Status(Event::signaled, number); }
  void Aborted(pid_t ns_pid) { Status(Event::aborted, ns_pid); }
  void Failed(const Error& error);
  // `name` is the command's, or malformed_command and the like.
  void Refused(int code, std::string_view name, std::string_view detail = {});
  void SeccompFilter(std::string_view bpf);
  void Used(const Usage& usage);
  // What is known of a run that somebody else waited for.
  void RunUsed(uint64_t wall_us, bool core_dumped);
  void Syscall(const SyscallCall& call);
  void Stats(const SessionStats& stats);

  void Eof(Event stream);
  void StdinAck(uint64_t bytes);
  void StdinClosed();

  // `{stream, binary}` whose bytes `read(char* to, size_t size)` puts straight into the frame, at
  // most `max` of them; it answers how many, and 0 sends nothing. Returns that number.
  template <typename Read>
  size_t Output(Event stream, size_t max, Read&& read) {
    TermWriter term = Begin();
    term.Tuple(2);
    term.Atom(stream);
    char* to = term.ReserveBinary(max);
    const size_t size = to == nullptr ? 0 : read(to, max);
    if (to != nullptr) term.CommitBinary(size);
    if (size == 0) {
      outbox_->CancelFrame();
    } else {
      outbox_->EndFrame();
    }
    return size;
  }

  bool in_envelope() const { return id_.has_value(); }
  // The same with the next `size` bytes of a pipe, which are moved where that can be.
  bool CanMove() const { return outbox_->CanMove(); }
  void OutputFrom(int pipe, Event stream, size_t size);

  size_t pending() const { return outbox_->pending(); }

 private:
  TermWriter Begin();
  void Status(Event event);
  void Status(Event event, int64_t value);

  Outbox* outbox_;
  std::optional<uint64_t> id_;
};

}  // namespace linx

#endif  // LINX_EVENTS_H_
