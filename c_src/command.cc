#include "command.h"

#include <cerrno>
#include <optional>
#include <utility>

namespace linx {

namespace {

constexpr uint64_t kMaxSignal = 64;
constexpr uint64_t kMaxErrno = 4095;

// The readers below stand behind the command's name. Each answers nothing where an argument is of
// the wrong shape; only `detail` may then say more.
using Decoded = std::optional<Command>;

Decoded ReadProceed(TermReader&, std::string*) { return Proceed{}; }

Decoded ReadAbort(TermReader&, std::string*) { return Abort{}; }

Decoded ReadSignal(TermReader& reader, std::string*) {
  uint64_t number;
  if (!reader.ReadUint(kMaxSignal, &number) || number == 0) return {};
  return Signal{static_cast<int>(number)};
}

Decoded ReadCapDropBounding(TermReader& reader, std::string*) {
  CapDropBounding command;
  if (!reader.ReadUint(&command.mask)) return {};
  return command;
}

Decoded ReadCapSetThread(TermReader& reader, std::string*) {
  CapSetThread command;
  if (!reader.ReadUint(&command.effective) || !reader.ReadUint(&command.permitted) ||
      !reader.ReadUint(&command.inheritable)) {
    return {};
  }
  return command;
}

Decoded ReadCapSetAmbient(TermReader& reader, std::string*) {
  CapSetAmbient command;
  if (!reader.ReadUint(&command.mask)) return {};
  return command;
}

Decoded ReadSeccompInstall(TermReader& reader, std::string*) {
  std::string_view bpf;
  if (!ReadFilterProgram(reader, &bpf)) return {};
  return SeccompInstall{std::string(bpf)};
}

Decoded ReadRules(TermReader& reader, std::string* detail) {
  Result<SeccompRules> rules = ReadSeccompRules(reader);
  if (rules.ok()) return rules.Take();
  *detail = rules.error().detail;
  return {};
}

Decoded ReadPtyIn(TermReader& reader, std::string*) {
  PtyIn command;
  if (!reader.ReadBinary(&command.bytes)) return {};
  return command;
}

Decoded ReadPtyWinsize(TermReader& reader, std::string*) {
  PtyWinsize size;
  if (!reader.ReadTupleOf(4)) return {};
  for (uint16_t* field : {&size.rows, &size.cols, &size.xpix, &size.ypix}) {
    uint64_t value;
    if (!reader.ReadUint(UINT16_MAX, &value)) return {};
    *field = static_cast<uint16_t>(value);
  }
  return size;
}

Decoded ReadPause(TermReader&, std::string*) { return Pause{}; }

Decoded ReadResume(TermReader&, std::string*) { return Resume{}; }

Decoded ReadStats(TermReader&, std::string*) { return Stats{}; }

Decoded ReadStdin(TermReader& reader, std::string*) {
  StdinBytes command;
  Value word;
  if (reader.ReadBinary(&command.bytes)) return command;
  if (!reader.ReadName(&word) || word != Value::eof_) return {};
  return StdinEof{};
}

Decoded ReadAck(TermReader& reader, std::string*) {
  Ack ack;
  Value word;
  if (!reader.ReadName(&word)) return {};
  switch (word) {
    case Value::stdout_:
      ack.stream = Event::stdout;
      break;
    case Value::stderr_:
      ack.stream = Event::stderr;
      break;
    case Value::pty_out_:
      ack.stream = Event::pty_out;
      break;
    default:
      return {};
  }
  if (!reader.ReadUint(&ack.bytes)) return {};
  return ack;
}

Decoded ReadSyscallAnswer(TermReader& reader, std::string*) {
  SyscallAnswer answer{0, SyscallAnswer::Kind::proceed, 0};
  Value word;
  uint64_t value;
  if (!reader.ReadUint(&answer.id)) return {};
  if (reader.ReadName(&word)) {
    if (word != Value::continue_) return {};
    return answer;
  }
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&word)) return {};
  if (word == Value::errno_) {
    answer.kind = SyscallAnswer::Kind::fail;
    if (!reader.ReadUint(kMaxErrno, &value) || value == 0) return {};
  } else if (word == Value::return_) {
    answer.kind = SyscallAnswer::Kind::give;
    if (!reader.ReadUint(INT64_MAX, &value)) return {};
  } else {
    return {};
  }
  answer.value = static_cast<int64_t>(value);
  return answer;
}

// A command without arguments is a bare atom, any other a tuple that the atom leads.
struct CommandReader {
  CommandName name;
  size_t arguments;
  Decoded (*read)(TermReader&, std::string* detail);
  const char* expected;
};
constexpr CommandReader kReaders[] = {
    {CommandName::proceed, 0, ReadProceed, "expected :proceed"},
    {CommandName::abort, 0, ReadAbort, "expected :abort"},
    {CommandName::signal, 1, ReadSignal, "expected {:signal, 1..64}"},
    {CommandName::cap_drop_bounding, 1, ReadCapDropBounding,
     "expected {:cap_drop_bounding, 64-bit mask}"},
    {CommandName::cap_set_thread, 3, ReadCapSetThread,
     "expected {:cap_set_thread, effective, permitted, inheritable}, 64-bit masks"},
    {CommandName::cap_set_ambient, 1, ReadCapSetAmbient,
     "expected {:cap_set_ambient, 64-bit mask}"},
    {CommandName::seccomp_install, 1, ReadSeccompInstall,
     "expected {:seccomp_install, binary} of 1..4096 instructions, 8 bytes each"},
    {CommandName::seccomp_rules, 1, ReadRules, "expected {:seccomp_rules, map}"},
    {CommandName::pty_in, 1, ReadPtyIn, "expected {:pty_in, binary}"},
    {CommandName::pty_winsize, 1, ReadPtyWinsize,
     "expected {:pty_winsize, {rows, cols, xpix, ypix}}, 0..65535 each"},
    {CommandName::pause, 0, ReadPause, "expected :pause"},
    {CommandName::resume, 0, ReadResume, "expected :resume"},
    {CommandName::stats, 0, ReadStats, "expected :stats"},
    {CommandName::stdin, 1, ReadStdin, "expected {:stdin, binary} or {:stdin, :eof}"},
    {CommandName::ack, 2, ReadAck, "expected {:ack, :stdout | :stderr | :pty_out, bytes}"},
    {CommandName::syscall_answer, 2, ReadSyscallAnswer,
     "expected {:syscall_answer, id, :continue | {:errno, 1..4095} | {:return, 0..2^63-1}}"},
};

const CommandReader* ReaderOf(CommandName name) {
  for (const CommandReader& entry : kReaders) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace

std::variant<Command, CommandError> ReadCommand(TermReader& reader) {
  const TermReader start = reader;
  size_t arity = 0;
  const bool tuple = reader.ReadTuple(&arity);
  CommandName name;
  const CommandReader* entry = nullptr;
  if ((!tuple || arity > 0) && reader.ReadName(&name)) entry = ReaderOf(name);
  if (entry == nullptr) {
    reader = start;
    return CommandError{EINVAL, Name(Stage::malformed_command), {}};
  }
  CommandError refusal{EINVAL, Name(name), {}};
  const bool fits =
      tuple ? arity == entry->arguments + 1 && entry->arguments > 0 : entry->arguments == 0;
  Decoded command = fits ? entry->read(reader, &refusal.detail) : Decoded();
  if (command.has_value()) return std::move(*command);
  if (refusal.detail.empty()) refusal.detail = entry->expected;
  reader = start;
  return refusal;
}

}  // namespace linx
