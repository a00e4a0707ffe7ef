#include <doctest/doctest.h>

#include <string>

#include "process_use.h"
#include "streams.h"
#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::IsAlive;
using test::Shell;
using test::Tuple;
using test::Uint;

const std::string kAbort = Atom("abort");

std::string PtyIn(const std::string& bytes) { return Tuple({Atom("pty_in"), Binary(bytes)}); }

std::string Winsize(uint64_t rows, uint64_t cols) {
  return Tuple({Atom("pty_winsize"), Tuple({Uint(rows), Uint(cols), Uint(0), Uint(0)})});
}

std::string OnTerminal(const std::string& script, test::Pairs pairs = {}) {
  pairs.emplace_back(Atom("stdio"), Atom("pty"));
  pairs.push_back(Flag("auto_proceed"));
  return Shell(script, pairs);
}

// More than the agent keeps for a BEAM that does not read, and than any pipe holds.
const std::string kFlood = "exec yes 0123456789012345678901234567890123456789";

TEST_CASE("a shell on a terminal is talked to") {
  Beam beam;
  beam.Send(OnTerminal("stty -echo; echo go; read line; echo \"got $line\""));
  beam.NextRunning();
  CHECK(beam.Next() == "{:pty_out, \"go\r\n\"}");
  beam.Send(PtyIn("typed\n"));
  CHECK(beam.NextOutput() == "got typed\r\n");
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

TEST_CASE("the window's size can be set before the program starts, and later") {
  Beam beam;
  beam.Send(Shell("stty size; read line; stty size", {{Atom("stdio"), Atom("pty")}}));
  beam.NextReady();
  beam.Send(Winsize(33, 77));
  beam.Send(PtyIn("too early"));
  CHECK(beam.Next() == "{:refused, 16, :pty_in}");
  beam.Send(Atom("proceed"));
  CHECK(beam.Next() == "{:status, :running}");
  CHECK(beam.Next() == "{:pty_out, \"33 77\r\n\"}");
  beam.Send(Winsize(65535, 1));
  beam.Send(PtyIn("\n"));
  CHECK(beam.NextOutput() == "\r\n65535 1\r\n");
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

TEST_CASE("all output comes, in order, ahead of the end") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(OnTerminal("seq 100000", {Flag("init", init)}));
    beam.NextRunning();
    std::string expected;
    for (int i = 1; i <= 100'000; ++i) expected += std::to_string(i) + "\r\n";
    const std::string got = beam.NextOutput();
    CHECK((got == expected));
    CHECK(beam.Next() == "{:status, :exited, 0}");
  }
}

TEST_CASE("a paste that the program is slow to read arrives whole") {
  Beam beam;
  const std::string paste(1u << 20, 'x');
  beam.Send(OnTerminal("stty raw -echo; echo; head -c 1048576 | wc -c"));
  beam.NextRunning();
  CHECK(beam.Next() == "{:pty_out, \"\n\"}");
  beam.Send(PtyIn(paste));
  CHECK(beam.NextOutput() == "1048576\n");
}

TEST_CASE("input beyond the queue is refused, and what was taken before it is not lost") {
  Beam beam;
  beam.Send(OnTerminal("stty raw -echo; echo; read line; exec head -c 16777216 | wc -c"));
  beam.NextRunning();
  CHECK(beam.Next() == "{:pty_out, \"\n\"}");
  const std::string part(4u << 20, 'x');
  for (int i = 0; i < 4; ++i) beam.Send(PtyIn(part));
  CHECK(beam.nothing_came());
  beam.Send(PtyIn(part));
  CHECK(beam.Next() == "{:refused, 105, :pty_in}");
  beam.Send(kAbort);
  CHECK(beam.Next() == "{:status, :signaled, 9}");
}

TEST_CASE("output pauses while the BEAM does not read, and goes on when it does") {
  Beam beam;
  beam.Send(OnTerminal(kFlood));
  beam.NextRunning();
  beam.StopReading();
  const auto resident = [&] { return ReadProcessUse(beam.launcher().proc_fd()).resident_bytes; };
  const uint64_t before = resident();
  CHECK(beam.StandsStill());
  CHECK(resident() < before + (4u << 20));
  beam.ResumeReading();
  size_t bytes = 0;
  CHECK(test::Eventually([&] {
    while (!beam.nothing_came()) bytes += beam.Next().size();
    beam.Turn(1);
    return bytes > 4u << 20;
  }));
  beam.Send(kAbort);
  beam.NextOutput();
  CHECK(beam.Next() == "{:status, :signaled, 9}");
}

TEST_CASE("a session whose output waits does not delay another's events") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  beam.Send(test::InEnvelope(1, OnTerminal(kFlood)));
  beam.Send(test::InEnvelope(2, test::Spawn({"/bin/true"}, {Flag("auto_proceed")})));
  std::string event;
  size_t output = 0;
  while (event != "{2, {:status, :exited, 0}}" && output < 1000) {
    event = beam.Next();
    output += event.rfind("{1, {:pty_out", 0) == 0 ? 1 : 0;
  }
  CHECK(event == "{2, {:status, :exited, 0}}");
}

TEST_CASE("a paused session ends with its output when the workload dies") {
  Beam beam;
  beam.Send(OnTerminal(kFlood));
  const pid_t pid = beam.NextRunning();
  beam.StopReading();
  CHECK(beam.StandsStill());
  kill(pid, SIGTERM);
  CHECK(test::Eventually([&] {
    beam.Turn(1);
    return !IsAlive(pid);
  }));
  beam.ResumeReading();
  CHECK(beam.NextOutput().size() > 1u << 18);
  CHECK(beam.Next() == "{:status, :signaled, 15}");
  CHECK(beam.Next() == "the end");
}

TEST_CASE("a BEAM that goes without having read its output takes the session along") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(OnTerminal(kFlood, {Flag("init", init)}));
    const pid_t pid = beam.NextRunning();
    beam.StopReading();
    CHECK(beam.StandsStill());
    beam.Close();
    CHECK(beam.Ends());
    CHECK_FALSE(IsAlive(pid));
  }
}

TEST_CASE("a stray that holds the terminal open does not hold up the end") {
  Beam beam;
  beam.Send(OnTerminal("trap '' HUP; (trap '' HUP; exec yes) & echo $!; exit 3"));
  beam.NextRunning();
  const std::string output = beam.NextOutput();
  CHECK(beam.Next() == "{:status, :exited, 3}");
  // Nobody promised to end it where there is no init.
  const test::Process stray(std::stoi(output.substr(output.find_first_of("123456789"))));
}

TEST_CASE("a workload that closes its terminal has not ended") {
  Beam beam;
  beam.Send(OnTerminal("exec <&- >&- 2>&-; exec >/dev/tty; echo back; exit 2"));
  beam.NextRunning();
  CHECK(beam.NextOutput() == "back\r\n");
  CHECK(beam.Next() == "{:status, :exited, 2}");
}

TEST_CASE("when the session is over its terminal hangs up") {
  Beam beam;
  beam.Send(OnTerminal("sleep 1000 & echo $!; exit 0"));
  beam.NextRunning();
  const test::Process stray(std::stoi(beam.NextOutput()));
  CHECK(beam.Next() == "{:status, :exited, 0}");
  CHECK(test::Eventually([&] { return !IsAlive(stray.pid()); }));
}

}  // namespace
}  // namespace linx
