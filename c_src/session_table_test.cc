#include "session_table.h"

#include <doctest/doctest.h>

#include <string>

#include "capabilities.h"
#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::Framed;
using test::InEnvelope;
using test::IsAlive;
using test::Spawn;
using test::Tuple;
using test::Uint;

const std::string kHello = Tuple({Atom("hello"), Uint(1)});
const std::string kProceed = Atom("proceed");
const std::string kAbort = Atom("abort");
const auto kNoUsage = Flag("usage", false);
const std::string kSleep = Spawn({"/bin/sleep", "1000"}, {kNoUsage});
const std::string kTrue = Spawn({"/bin/true"}, {Flag("auto_proceed"), kNoUsage});

// One that serves many sessions.
struct Envelope : Beam {
  Envelope() {
    Send(kHello);
    hello = Next();
  }
  void Send(const std::string& term) { Beam::Send(term); }
  void Send(uint64_t id, const std::string& term) { Beam::Send(InEnvelope(id, term)); }
  std::string hello;
};

bool Begins(const std::string& text, const std::string& begin) {
  return text.compare(0, begin.size(), begin) == 0;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string Oversize(const std::string& prefix) {
  return test::BigEndian(kMaxFrame + 1, 4) + prefix + std::string(kMaxFrame + 1 - prefix.size(), 0);
}

TEST_CASE("hello is answered with what the agent is") {
  Envelope beam;
  CHECK(Begins(beam.hello, "{:hello, %{"));
  CHECK(Contains(beam.hello, ":protocol => 1"));
  CHECK(Contains(beam.hello, ":version => \"" LINX_VERSION "\""));
  CHECK(Contains(beam.hello, ":pid => " + std::to_string(getpid())));
  CHECK(Contains(beam.hello, ":features => ["));
  beam.Close();
  CHECK(beam.ExitCode() == kReported);
}

TEST_CASE("a hello of another version is no request") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(2)}));
  CHECK(beam.Next() == "{:error, 22, :malformed_request}");
  CHECK(beam.ExitCode() == kMalformed);
}

TEST_CASE("a first frame that cannot be decoded is malformed, and the last") {
  for (const std::string body : {"", "\x83", "junk",
                                 "\x83"
                                 "d",
                                 "\x83h\x02w\x05spawn"}) {
    Beam beam;
    beam.SendBytes(test::BigEndian(body.size(), 4) + body + Framed(kTrue));
    CHECK(beam.Next() == "{:error, 22, :malformed_request}");
    CHECK(beam.Next() == "the end");
    CHECK(beam.ExitCode() == kMalformed);
  }
}

TEST_CASE("a request of the wrong shape is malformed") {
  Beam beam;
  beam.Send(Spawn({"relative"}));
  CHECK(beam.Next() == "{:error, 22, :malformed_request}");
  CHECK(beam.ExitCode() == kMalformed);
}

TEST_CASE("a first frame over the limit is too big") {
  Beam beam;
  beam.SendBytes(Oversize(""));
  CHECK(beam.Next() == "{:error, 90, :request_too_big}");
  CHECK(beam.ExitCode() == kChannelFailed);
}

TEST_CASE("a channel that closes before its first frame failed") {
  Beam beam;
  beam.SendBytes(std::string("\0\0\0\x10half", 8));
  beam.Close();
  CHECK(beam.ExitCode() == kChannelFailed);
}

TEST_CASE("frames may come byte by byte") {
  Beam beam;
  for (const char byte : Framed(kTrue)) beam.SendBytes(std::string(1, byte));
  beam.NextRunning();
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

TEST_CASE("half a command does not delay the workload's end") {
  Beam beam;
  beam.Send(kSleep);
  const pid_t pid = beam.NextReady();
  beam.SendBytes(Framed(kProceed) + std::string("\0\0\0", 3));
  CHECK(beam.Next() == "{:status, :running}");
  kill(pid, SIGTERM);
  CHECK(beam.Next() == "{:status, :signaled, 15}");
}

TEST_CASE("the anonymous session's commands are bare, and too big ones refused") {
  Beam beam;
  beam.Send(kSleep);
  beam.NextReady();
  beam.SendBytes(Oversize(""));
  CHECK(beam.Next() == "{:refused, 90, :command_too_big}");
  beam.SendBytes(std::string("\0\0\0\x03xyz", 7));
  CHECK(beam.Next() == "{:refused, 22, :malformed_command}");
  beam.Send(InEnvelope(1, kProceed));
  CHECK(beam.Next() == "{:refused, 22, :malformed_command}");
  beam.Send(kProceed);
  CHECK(beam.Next() == "{:status, :running}");
}

TEST_CASE("the anonymous form knows no other session to enter") {
  Beam beam;
  beam.Send(test::Enter(Tuple({Atom("session"), Uint(0)}), {"/bin/true"}));
  CHECK(beam.Next() == "{:error, 3, :open_target}");
  CHECK(beam.ExitCode() == kNotCreated);
}

TEST_CASE("sessions go their ways side by side") {
  Envelope beam;
  constexpr uint64_t kLargest = UINT64_MAX >> 1;
  const std::string large = "{" + std::to_string(kLargest) + ", ";
  beam.Send(1, kSleep);
  const pid_t one = beam.NextReady("{1, ");
  beam.Send(kLargest, kSleep);
  const pid_t other = beam.NextReady(large);
  CHECK(one != other);
  beam.Send(kLargest, kProceed);
  CHECK(beam.Next() == large + "{:status, :running}}");
  beam.Send(1, kAbort);
  CHECK(beam.Next() == "{1, {:status, :aborted, " + std::to_string(one) + "}}");
  CHECK(IsAlive(other));
  beam.Send(kLargest, test::Signal(SIGTERM));
  CHECK(beam.Next() == large + "{:status, :signaled, 15}}");
}

TEST_CASE("an id in use is refused, and free again after the end") {
  Envelope beam;
  beam.Send(7, kSleep);
  const pid_t pid = beam.NextReady("{7, ");
  beam.Send(7, kTrue);
  CHECK(beam.Next() == "{7, {:refused, 16, :session_in_use}}");
  CHECK(IsAlive(pid));
  beam.Write(Framed(InEnvelope(7, kAbort)));
  CHECK(Begins(beam.Next(), "{7, {:status, :aborted, "));
  beam.Send(7, kTrue);
  beam.NextReady("{7, ");
  CHECK(beam.Next() == "{7, {:status, :running}}");
  CHECK(beam.Next() == "{7, {:status, :exited, 0}}");
}

// The terminal event of the first is not yet written when the second begins.
TEST_CASE("an id may begin anew in the frame after a session's end") {
  Envelope beam;
  const std::string missing = test::Enter(Uint(INT32_MAX), {"/bin/true"});
  beam.SendBytes(Framed(InEnvelope(7, missing)) + Framed(InEnvelope(7, kTrue)));
  CHECK(Begins(beam.Next(), "{7, {:error, 3, :open_target"));
  beam.NextReady("{7, ");
  CHECK(beam.Next() == "{7, {:status, :running}}");
  CHECK(beam.Next() == "{7, {:status, :exited, 0}}");
}

TEST_CASE("an unknown id is refused") {
  Envelope beam;
  beam.Send(3, kProceed);
  CHECK(beam.Next() == "{3, {:refused, 2, :unknown_session}}");
  beam.Send(3, Atom("nonsense"));
  CHECK(beam.Next() == "{3, {:refused, 2, :unknown_session}}");
}

TEST_CASE("what belongs to no session is refused bare") {
  Envelope beam;
  for (const std::string& term : {kProceed, kSleep, kHello, Tuple({Uint(1)}), Binary("x")}) {
    beam.Send(term);
    CHECK(beam.Next() == "{:refused, 22, :malformed_command}");
  }
  beam.SendBytes(std::string("\0\0\0\x03xyz", 7));
  CHECK(beam.Next() == "{:refused, 22, :malformed_command}");
  beam.Send(Tuple({test::Int(-1), kSleep}));
  CHECK(beam.Next() == "{:refused, 22, :malformed_command}");
}

TEST_CASE("a malformed request is the end of its session alone") {
  Envelope beam;
  beam.Send(1, kSleep);
  beam.NextReady("{1, ");
  beam.Send(2, Spawn({}));
  CHECK(Begins(beam.Next(), "{2, {:error, 22, :malformed_request, \"argv: "));
  beam.Send(1, kProceed);
  CHECK(beam.Next() == "{1, {:status, :running}}");
}

TEST_CASE("an oversize frame is skipped whole and refused to whom it was meant for") {
  Envelope beam;
  beam.Send(9, kSleep);
  beam.NextReady("{9, ");
  beam.SendBytes(
      Oversize("\x83h\x02"
               "a\x09"));
  CHECK(beam.Next() == "{9, {:refused, 90, :command_too_big}}");
  beam.SendBytes(Oversize("\x83w\x05stats"));
  CHECK(beam.Next() == "{:refused, 90, :command_too_big}");
  beam.Send(9, kProceed);
  CHECK(beam.Next() == "{9, {:status, :running}}");
}

TEST_CASE("an error of the envelope says what failed") {
  Envelope beam;
  beam.Send(1, Spawn({"/bin/true"},
                     {{Atom("stdio"),
                       test::List({Tuple({Atom("stdin"), Tuple({Atom("connect_unix"),
                                                                Binary("/no/such/socket")})})})}}));
  CHECK(beam.Next() == "{1, {:error, 2, :connect_unix, \"/no/such/socket\"}}");
}

TEST_CASE("stats count") {
  Envelope beam;
  beam.Send(Atom("stats"));
  std::string stats = beam.Next();
  CHECK(Contains(stats, ":sessions => 0"));
  CHECK(Contains(stats, ":pids => []"));
  beam.Send(1, kSleep);
  const pid_t pid = beam.NextReady("{1, ");
  beam.Send(2, kTrue);
  while (beam.Next() != "{2, {:status, :exited, 0}}") {
  }
  beam.Send(Atom("stats"));
  stats = beam.Next();
  CHECK(Contains(stats, ":sessions => 1"));
  CHECK(Contains(stats, ":sessions_started => 2"));
  CHECK(Contains(stats, ":pids => [" + std::to_string(pid) + "]"));
  for (const char* key : {":bytes_in => ", ":bytes_out => ", ":fds => ", ":resident_bytes => "}) {
    const size_t at = stats.find(key);
    REQUIRE(at != std::string::npos);
    CHECK(std::stoul(stats.substr(at + std::string(key).size())) > 0);
  }
}

TEST_CASE("capabilities are told by name, in the order of their bits") {
  Envelope beam;
  beam.Send(Atom("capabilities"));
  std::string all;
  for (const std::string& name : CapabilityNames()) all += (all.empty() ? ":" : ", :") + name;
  CHECK(beam.Next() == "{:capabilities, [" + all + "]}");
}

TEST_CASE("rules are compiled without a session") {
  Envelope beam;
  const auto rules = [](const char* call) {
    return test::Map({{Atom("default"), Atom("allow")},
                      {Atom("rules"),
                       test::List({Tuple({Atom("kill_process"), Binary(call), test::List({})})})}});
  };
  beam.Send(4, Tuple({Atom("seccomp_compile"), rules("ptrace")}));
  CHECK(Begins(beam.Next(), "{4, {:seccomp_filter, \""));
  beam.Send(4, Tuple({Atom("seccomp_compile"), rules("no_such_call")}));
  CHECK(beam.Next() == "{4, {:refused, 22, :seccomp_compile, \"no_such_call\"}}");
  beam.Send(4, Tuple({Atom("seccomp_compile"), Atom("none")}));
  CHECK(Begins(beam.Next(), "{4, {:refused, 22, :seccomp_compile, \""));
}

TEST_CASE("a live session can be entered by its id") {
  Envelope beam;
  const std::string enter = test::Enter(Tuple({Atom("session"), Uint(1)}), {"/bin/true"},
                                        {Flag("auto_proceed"), kNoUsage});
  beam.Send(2, enter);
  CHECK(beam.Next() == "{2, {:error, 3, :open_target}}");
  beam.Send(1, kSleep);
  beam.NextReady("{1, ");
  beam.Send(1, kProceed);
  CHECK(beam.Next() == "{1, {:status, :running}}");
  beam.Send(2, enter);
  beam.NextReady("{2, ");
  CHECK(beam.Next() == "{2, {:status, :running}}");
  CHECK(beam.Next() == "{2, {:status, :exited, 0}}");
}

TEST_CASE("a workload's end and a new session's beginning meet no stranger") {
  Envelope beam;
  beam.Send(1, kTrue);
  beam.NextReady("{1, ");
  CHECK(beam.Next() == "{1, {:status, :running}}");
  CHECK(beam.Next() == "{1, {:status, :exited, 0}}");
  beam.Send(2, test::Enter(Tuple({Atom("session"), Uint(1)}), {"/bin/true"}));
  CHECK(beam.Next() == "{2, {:error, 3, :open_target}}");
}

TEST_CASE("when the BEAM goes every session ends, and then the agent") {
  Envelope beam;
  beam.Send(1, kSleep);
  beam.Send(2, Spawn({"/bin/sleep", "1000"}, {Flag("init"), Flag("auto_proceed")}));
  beam.Send(3, Spawn({"/bin/sleep", "1000"}, {Flag("auto_proceed")}));
  beam.TurnAll();
  beam.Close();
  CHECK(beam.Ends());
  CHECK(beam.ExitCode() == kChannelFailed);  // the ends could not be said
}

TEST_CASE("a BEAM that closes its end only is told the ends") {
  Envelope beam;
  beam.Send(1, Spawn({"/bin/sleep", "1000"}, {Flag("auto_proceed"), kNoUsage}));
  beam.NextReady("{1, ");
  CHECK(beam.Next() == "{1, {:status, :running}}");
  beam.CloseInput();
  CHECK(beam.Next() == "{1, {:status, :signaled, 15}}");
  CHECK(beam.Next() == "the end");
  CHECK(beam.ExitCode() == kReported);
}

TEST_CASE("an agent that winds down starts nothing") {
  Envelope beam;
  beam.Send(1, test::Shell("trap '' TERM; exec sleep 1000",
                           {Flag("auto_proceed"), kNoUsage, test::KillAfter(200)}));
  const pid_t pid = beam.NextReady("{1, ");
  CHECK(beam.Next() == "{1, {:status, :running}}");
  CHECK(test::Eventually(
      [&] { return (test::StatusMask(pid, "SigIgn") >> (SIGTERM - 1) & 1) != 0; }));
  beam.table().WindDown();
  beam.Send(2, kTrue);
  CHECK(beam.Next() == "{2, {:error, 108, :agent_died}}");
  CHECK(beam.Next() == "{1, {:status, :signaled, 9}}");
  CHECK(beam.Next() == "the end");
}

TEST_CASE("nothing is read of a BEAM that leaves what it was told unread") {
  Envelope beam;
  beam.StopReading();
  // Each answer is some fifty times as long as the question.
  const std::string question = Framed(Atom("capabilities"));
  std::string questions;
  while (questions.size() < 60'000) questions += question;
  std::string rest;
  size_t asked = 0, still = 0;
  while (still < 10) {
    if (rest.empty()) rest = questions;
    const size_t wrote = beam.Write(rest);
    rest.erase(0, wrote);
    asked += wrote;
    beam.Turn(0);
    still = wrote == 0 ? still + 1 : 0;
  }
  // It stands: what is in the pipe stays there.
  const size_t unread = beam.unread();
  CHECK(unread > 0);
  beam.TurnAll();
  CHECK(beam.unread() == unread);
  // More than the limit by one turn's answers at most.
  CHECK(asked < 4u << 20);
  beam.ResumeReading();
  size_t answers = 0;
  CHECK(test::Eventually([&] {
    beam.Turn(0);
    while (!beam.nothing_came()) {
      CHECK(Begins(beam.Next(), "{:capabilities, ["));
      ++answers;
    }
    return beam.unread() == 0 && answers == asked / question.size();
  }));
}

}  // namespace
}  // namespace linx
