#include "command.h"

#include <doctest/doctest.h>
#include <seccomp.h>

#include <string>

#include "test_frames.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::Int;
using test::Tuple;
using test::Uint;

std::variant<Command, CommandError> Read(std::string_view frame) {
  TermReader reader(frame);
  return ReadCommand(reader);
}

// The command of a golden frame.
template <typename Expected>
Expected GoldenCommand(const std::string& frame) {
  TermReader reader(frame);
  std::variant<Command, CommandError> read = ReadCommand(reader);
  REQUIRE(std::holds_alternative<Command>(read));
  CHECK(reader.AtEnd());
  REQUIRE(std::holds_alternative<Expected>(std::get<Command>(read)));
  return std::get<Expected>(std::get<Command>(read));
}

TEST_CASE("every golden command is read") {
  GoldenCommand<Proceed>(test::Golden("command_proceed"));
  GoldenCommand<Abort>(test::Golden("command_abort"));
  GoldenCommand<Pause>(test::Golden("command_pause"));
  GoldenCommand<Resume>(test::Golden("command_resume"));
  GoldenCommand<Stats>(test::Golden("command_stats"));
  CHECK(GoldenCommand<Signal>(test::Golden("command_signal")).number == 15);
  CHECK(GoldenCommand<CapDropBounding>(test::Golden("command_cap_drop_bounding")).mask ==
        UINT64_MAX);
  const auto thread = GoldenCommand<CapSetThread>(test::Golden("command_cap_set_thread"));
  CHECK(thread.effective == 0x400);
  CHECK(thread.permitted == 0x1ffffffffff);
  CHECK(thread.inheritable == 0);
  CHECK(GoldenCommand<CapSetAmbient>(test::Golden("command_cap_set_ambient")).mask == 0x400);
  CHECK(GoldenCommand<SeccompInstall>(test::Golden("command_seccomp_install")).bpf ==
        std::string("\x06\0\0\0\0\0\xff\x7f", 8));
  const auto size = GoldenCommand<PtyWinsize>(test::Golden("command_pty_winsize"));
  CHECK(size.rows == 24);
  CHECK(size.cols == 80);
  CHECK(size.xpix == 0);
  CHECK(size.ypix == 65535);
}

TEST_CASE("input, its end, and acks of every output are read") {
  CHECK(GoldenCommand<StdinBytes>(test::Golden("command_stdin")).bytes ==
        std::string_view("line\n\0\xff", 7));
  GoldenCommand<StdinEof>(test::Golden("command_stdin_eof"));
  const auto out = GoldenCommand<Ack>(test::Golden("command_ack_stdout"));
  CHECK(out.stream == Event::stdout);
  CHECK(out.bytes == 65536);
  CHECK(GoldenCommand<Ack>(test::Golden("command_ack_stderr")).stream == Event::stderr);
  CHECK(GoldenCommand<Ack>(test::Golden("command_ack_pty_out")).stream == Event::pty_out);
}

TEST_CASE("every answer to a call is read") {
  const auto allowed = GoldenCommand<SyscallAnswer>(test::Golden("command_syscall_answer"));
  CHECK(allowed.id == UINT64_MAX);
  CHECK(allowed.kind == SyscallAnswer::Kind::proceed);
  const auto failed = GoldenCommand<SyscallAnswer>(test::Golden("command_syscall_answer_errno"));
  CHECK(failed.id == 7);
  CHECK(failed.kind == SyscallAnswer::Kind::fail);
  CHECK(failed.value == 4095);
  const auto given = GoldenCommand<SyscallAnswer>(test::Golden("command_syscall_answer_return"));
  CHECK(given.kind == SyscallAnswer::Kind::give);
  CHECK(given.value == INT64_MAX);
}

TEST_CASE("terminal input is a view into its frame") {
  const std::string frame = test::Golden("command_pty_in");
  const auto in = GoldenCommand<PtyIn>(frame);
  CHECK(in.bytes == std::string_view("ls -l\x03\x04\0\xff\n", 10));
  CHECK(in.bytes.data() > frame.data());
  CHECK(in.bytes.data() < frame.data() + frame.size());
}

TEST_CASE("every action and comparison of rules is read") {
  const auto rules = GoldenCommand<SeccompRules>(test::Golden("command_seccomp_rules"));
  CHECK(rules.default_action == SCMP_ACT_ERRNO(1));
  REQUIRE(rules.rules.size() == 11);
  const uint32_t actions[] = {SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD,
                              SCMP_ACT_TRAP, SCMP_ACT_LOG};
  for (size_t i = 0; i < 5; ++i) CHECK(rules.rules[i].action == actions[i]);
  CHECK(rules.rules[1].syscall == "ptrace");
  const int ops[] = {SCMP_CMP_EQ, SCMP_CMP_NE, SCMP_CMP_LT,       SCMP_CMP_LE,
                     SCMP_CMP_GT, SCMP_CMP_GE, SCMP_CMP_MASKED_EQ};
  size_t op = 0;
  for (size_t i = 5; i < 10; ++i) {
    for (const SeccompArg& arg : rules.rules[i].args) CHECK(arg.op == ops[op++]);
  }
  CHECK(op == 7);
  CHECK(rules.rules[6].args[0].a == uint64_t{1} << 32);
  CHECK(rules.rules[7].args[0].index == 1);
  CHECK(rules.rules[9].args[0].a == 0x7e020000);
  CHECK(rules.rules[9].args[0].b == 0);
  CHECK(rules.rules[10].action == SCMP_ACT_NOTIFY);
}

struct Refused {
  const char* as;
  std::string term;
};

TEST_CASE("what is no command is refused by the name it has, and nothing is read") {
  const std::string mask = Uint(UINT64_MAX);
  const std::string instruction = std::string(8, '\0');
  const Refused cases[] = {
      {"malformed_command", Atom("proceeed")},
      {"malformed_command", Atom("spawn")},
      {"malformed_command", Tuple({Atom("hello"), Uint(1)})},
      {"malformed_command", Tuple({})},
      {"malformed_command", Tuple({Uint(1)})},
      {"malformed_command", Uint(1)},
      {"malformed_command", Binary("proceed")},
      {"malformed_command", test::List({Atom("proceed")})},
      {"malformed_command", test::Map({})},
      {"proceed", Tuple({Atom("proceed")})},
      {"abort", Tuple({Atom("abort"), Atom("now")})},
      {"pause", Tuple({Atom("pause")})},
      {"resume", Tuple({Atom("resume"), Uint(1)})},
      {"stats", Tuple({Atom("stats"), Atom("cpu_us")})},
      {"signal", Atom("signal")},
      {"signal", Tuple({Atom("signal"), Uint(0)})},
      {"signal", Tuple({Atom("signal"), Uint(65)})},
      {"signal", Tuple({Atom("signal"), Int(-9)})},
      {"signal", Tuple({Atom("signal"), Atom("sigterm")})},
      {"signal", Tuple({Atom("signal"), Uint(1), Uint(2)})},
      {"cap_drop_bounding", Tuple({Atom("cap_drop_bounding"), Int(-1)})},
      {"cap_drop_bounding",
       Tuple({Atom("cap_drop_bounding"), "n\x09" + std::string(9, '\0') + "\1"})},
      {"cap_set_thread", Tuple({Atom("cap_set_thread"), mask, mask})},
      {"cap_set_thread", Tuple({Atom("cap_set_thread"), mask, mask, Atom("none")})},
      {"cap_set_ambient", Tuple({Atom("cap_set_ambient"), test::String("\1")})},
      {"seccomp_install", Tuple({Atom("seccomp_install"), Binary("")})},
      {"seccomp_install", Tuple({Atom("seccomp_install"), Binary("1234567")})},
      {"seccomp_install", Tuple({Atom("seccomp_install"), Binary(std::string(32776, '\0'))})},
      {"seccomp_install",
       Tuple({Atom("seccomp_install"), "M" + test::BigEndian(8, 4) + "\x04" + instruction})},
      {"seccomp_rules", Tuple({Atom("seccomp_rules"), test::Map({})})},
      {"pty_in", Tuple({Atom("pty_in"), test::String("ls")})},
      {"pty_winsize", Tuple({Atom("pty_winsize"), Uint(1), Uint(2), Uint(3), Uint(4)})},
      {"pty_winsize", Tuple({Atom("pty_winsize"), Tuple({Uint(1), Uint(2), Uint(3)})})},
      {"pty_winsize",
       Tuple({Atom("pty_winsize"), Tuple({Uint(65536), Uint(2), Uint(3), Uint(4)})})},
      {"stdin", Tuple({Atom("stdin"), test::String("ls")})},
      {"stdin", Tuple({Atom("stdin"), Atom("closed")})},
      {"stdin", Atom("stdin")},
      {"syscall_answer", Tuple({Atom("syscall_answer"), Uint(1)})},
      {"syscall_answer", Tuple({Atom("syscall_answer"), Int(-1), Atom("continue")})},
      {"syscall_answer", Tuple({Atom("syscall_answer"), Uint(1), Atom("allow")})},
      {"syscall_answer", Tuple({Atom("syscall_answer"), Uint(1), Tuple({Atom("errno"), Uint(0)})})},
      {"syscall_answer",
       Tuple({Atom("syscall_answer"), Uint(1), Tuple({Atom("errno"), Uint(4096)})})},
      {"syscall_answer",
       Tuple({Atom("syscall_answer"), Uint(1), Tuple({Atom("return"), Int(-1)})})},
      {"syscall_answer", Tuple({Atom("syscall_answer"), Uint(1), Tuple({Atom("return"), mask})})},
      {"ack", Tuple({Atom("ack"), Atom("stdin"), Uint(1)})},
      {"ack", Tuple({Atom("ack"), Atom("stdout"), Int(-1)})},
      {"ack", Tuple({Atom("ack"), Atom("stdout")})},
      {"pty_winsize", Tuple({Atom("pty_winsize"), Tuple({Uint(1), Int(-2), Uint(3), Uint(4)})})},
  };
  for (const Refused& refused : cases) {
    CAPTURE(refused.term);
    const std::string frame = test::Frame(refused.term);
    TermReader reader(frame);
    REQUIRE(reader.valid());
    const std::variant<Command, CommandError> read = ReadCommand(reader);
    REQUIRE(std::holds_alternative<CommandError>(read));
    const CommandError& error = std::get<CommandError>(read);
    CHECK(error.code == EINVAL);
    CHECK(error.refused_as == refused.as);
    CHECK(error.detail.empty() == (error.refused_as == "malformed_command"));
    CHECK(reader.Skip());
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("a frame that is no term is no command") {
  const std::variant<Command, CommandError> read = Read("\x83m");
  REQUIRE(std::holds_alternative<CommandError>(read));
  CHECK(std::get<CommandError>(read).refused_as == "malformed_command");
}

TEST_CASE("the limits themselves are taken") {
  CHECK(std::holds_alternative<Command>(Read(test::Frame(Tuple({Atom("signal"), Uint(64)})))));
  CHECK(std::holds_alternative<Command>(
      Read(test::Frame(Tuple({Atom("seccomp_install"), Binary(std::string(32768, '\0'))})))));
}

}  // namespace
}  // namespace linx
