// A command to a live session, decoded and checked for itself; whether it fits the session's state
// is the session's to say.
#ifndef LINX_COMMAND_H_
#define LINX_COMMAND_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol.h"
#include "result.h"
#include "seccomp_rules.h"
#include "term_reader.h"

namespace linx {

struct Proceed {};
struct Abort {};
struct Signal {
  int number;  // 1..64
};
struct CapDropBounding {
  uint64_t mask;
};
struct CapSetThread {
  uint64_t effective, permitted, inheritable;
};
struct CapSetAmbient {
  uint64_t mask;
};
struct SeccompInstall {
  std::string bpf;  // a multiple of 8 bytes, 1..4096 instructions
};
struct PtyIn {
  std::string_view bytes;  // inside the frame
};
struct PtyWinsize {
  uint16_t rows, cols, xpix, ypix;
};
struct Pause {};
struct Resume {};
struct Stats {};
struct StdinBytes {
  std::string_view bytes;  // inside the frame
};
struct StdinEof {};
struct Ack {
  Event stream;  // stdout, stderr or pty_out
  uint64_t bytes;
};

struct SyscallAnswer {
  enum class Kind : uint8_t { proceed, fail, give };
  uint64_t id;
  Kind kind;      // carry the call out, or make it fail with an errno, or answer a value
  int64_t value;  // fail: the errno, 1..4095; give: what the call answers
};

using Command = std::variant<Proceed, Abort, Signal, CapDropBounding, CapSetThread, CapSetAmbient,
                             SeccompInstall, SeccompRules, PtyIn, PtyWinsize, Pause, Resume, Stats,
                             StdinBytes, StdinEof, Ack, SyscallAnswer>;

// The reader stands before the whole command term: an atom or a tuple. On failure the error's stage
// is never used; `refused_as` is what `{:refused, errno, name}` names: the command where its tag is
// known, `malformed_command` otherwise. Errors: EINVAL.
struct CommandError {
  int code;
  std::string_view refused_as;
  std::string detail;
};
std::variant<Command, CommandError> ReadCommand(TermReader& reader);

}  // namespace linx

#endif  // LINX_COMMAND_H_
