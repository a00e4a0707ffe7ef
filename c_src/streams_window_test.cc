#include <doctest/doctest.h>

#include <map>
#include <string>

#include "process_use.h"
#include "streams.h"
#include "test_streams.h"

namespace linx {
namespace {

using test::Ack;
using test::Atom;
using test::Beam;
using test::Counted;
using test::Directive;
using test::Flag;
using test::InEnvelope;
using test::NextUntilEnd;
using test::Piped;
using test::Said;
using test::Shell;
using test::Tuple;
using test::Uint;
using test::Window;

const std::string kAbort = Atom("abort");
// More than the agent keeps for a BEAM that does not read, and than any pipe holds.
const std::string kFlood = "exec yes 0123456789012345678901234567890123456789";

// Bytes of a stream that come until the agent stands still.
size_t NextBytes(Beam& beam, const std::string& stream, const std::string& lead = "") {
  CHECK(beam.StandsStill());
  const std::string begin = lead + "{:" + stream + ", \"";
  size_t bytes = 0;
  while (!beam.nothing_came()) {
    const std::string event = beam.Next();
    CHECK(event.compare(0, begin.size(), begin) == 0);
    bytes += event.size() - begin.size() - (lead.empty() ? 2 : 3);
  }
  return bytes;
}

TEST_CASE("no more comes than the window holds, and as much again as is acknowledged") {
  for (const uint64_t window : {1, 10, 1000, 100'000, 1'000'000}) {
    CAPTURE(window);
    Beam beam;
    beam.Send(Piped(kFlood, {Window(window)}));
    beam.NextRunning();
    CHECK(NextBytes(beam, "stdout") == window);
    beam.Send(Ack("stdout", 1));
    CHECK(NextBytes(beam, "stdout") == 1);
    beam.Send(Ack("stdout", window));
    CHECK(NextBytes(beam, "stdout") == window);
    beam.Send(Ack("stdout", window + 1));
    CHECK(beam.Next() == "{:refused, 22, :ack}");
    beam.Send(kAbort);
    CHECK(NextUntilEnd(beam).rest == "{:status, :signaled, 9}");
  }
}

TEST_CASE("each stream has a window of its own") {
  Beam beam;
  beam.Send(Piped("yes & exec yes >&2", {Window(5000), Flag("init")}));
  beam.NextRunning();
  CHECK(beam.StandsStill());
  size_t out = 0, err = 0;
  while (!beam.nothing_came()) {
    const std::string event = beam.Next();
    (event.rfind("{:stdout", 0) == 0 ? out : err) += event.size() - 13;
  }
  CHECK(out == 5000);
  CHECK(err == 5000);
  beam.Send(Ack("stderr", 5000));
  CHECK(NextBytes(beam, "stderr") == 5000);
  beam.Send(kAbort);
  const Said said = NextUntilEnd(beam);
  CHECK(said.out_eofs + said.err_eofs == 2);
}

TEST_CASE("a terminal's output has a window too, and its input is then acknowledged") {
  Beam beam;
  beam.Send(Shell("stty raw -echo; printf r; read line; " + kFlood,
                  {{Atom("stdio"), Atom("pty")}, Flag("auto_proceed"), Window(3000)}));
  beam.NextRunning();
  // What is typed before that would come back.
  CHECK(NextBytes(beam, "pty_out") == 1);
  beam.Send(Ack("pty_out", 1));
  beam.Send(Tuple({Atom("pty_in"), test::Binary("go\n")}));
  CHECK(beam.Next() == "{:stdin_ack, 3}");
  CHECK(NextBytes(beam, "pty_out") == 3000);
  beam.Send(Ack("pty_out", 3001));
  CHECK(beam.Next() == "{:refused, 22, :ack}");
  beam.Send(Ack("pty_out", 3000));
  CHECK(NextBytes(beam, "pty_out") == 3000);
  beam.Send(kAbort);
  CHECK(beam.NextOutput().size() > 0);
  CHECK(beam.Next() == "{:status, :signaled, 9}");
}

TEST_CASE("in the envelope there is a window of 256 KiB where none is asked for") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  beam.Send(InEnvelope(1, Piped(kFlood)));
  beam.NextReady("{1, ");
  beam.Next();
  CHECK(NextBytes(beam, "stdout", "{1, ") == 262'144);
  beam.Send(InEnvelope(1, kAbort));
  CHECK(NextUntilEnd(beam, "{1, ").out_eofs == 1);
  // It may have been under way when the session ended.
  beam.Send(InEnvelope(1, Ack("stdout", 262'144)));
  beam.Send(InEnvelope(1, kAbort));
  CHECK(beam.Next() == "{1, {:refused, 2, :unknown_session}}");
}

TEST_CASE("without a window only the BEAM's reading holds output up") {
  Beam beam;
  beam.Send(Piped("exec head -c 3000000 /dev/zero"));
  beam.NextRunning();
  CHECK(NextUntilEnd(beam).out.size() == 3'000'000);
}

TEST_CASE("all of a flood comes, in order, while it is acknowledged") {
  Beam beam;
  const std::string expected = Counted(8'000'000);
  beam.Send(Piped("seq 0 2000000 | exec head -c 8000000", {Window(262'144)}));
  beam.NextRunning();
  std::string got, event;
  const std::string begin = "{:stdout, \"";
  while (event.rfind("{:status", 0) != 0 && event != "nothing came") {
    event = beam.Next();
    if (event.rfind(begin, 0) != 0) continue;
    got += event.substr(begin.size(), event.size() - begin.size() - 2);
    beam.Send(Ack("stdout", event.size() - begin.size() - 2));
  }
  CHECK((got == expected));
}

TEST_CASE("floods cost little memory while the BEAM does not read, and all of them go on") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  constexpr uint64_t kSessions = 8;
  for (uint64_t id = 1; id <= kSessions; ++id) beam.Send(InEnvelope(id, Piped(kFlood)));
  std::map<std::string, size_t> bytes;  // by the session
  for (size_t running = 0; running < kSessions;) {
    const std::string event = beam.Next();
    bytes[event.substr(0, 3)] += event.size();
    running += event.find(":running") != std::string::npos ? 1 : 0;
  }
  const auto resident = [&] { return ReadProcessUse(beam.launcher().proc_fd()).resident_bytes; };
  beam.StopReading();
  const uint64_t before = resident();
  CHECK(beam.StandsStill());
  CHECK(resident() < before + (4u << 20));
  beam.ResumeReading();
  CHECK(beam.StandsStill());
  while (!beam.nothing_came()) {
    const std::string event = beam.Next();
    bytes[event.substr(0, 3)] += event.size();
  }
  CHECK(bytes.size() == kSessions);
  for (const auto& [id, count] : bytes) CHECK(count > 262'144);
  for (uint64_t id = 1; id <= kSessions; ++id) beam.Send(InEnvelope(id, kAbort));
}

TEST_CASE("sessions that flood do not keep another from its events") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  for (uint64_t id = 1; id <= 4; ++id) {
    beam.Send(InEnvelope(id, Piped(kFlood, {Window(1u << 30)})));
  }
  while (beam.Next().rfind("{4, {:stdout", 0) != 0) {
  }
  beam.Send(InEnvelope(5, test::Spawn({"/bin/true"}, {Flag("auto_proceed")})));
  std::string event;
  size_t frames = 0;
  while (event != "{5, {:status, :exited, 0}}" && frames++ < 5000) event = beam.Next();
  CHECK(event == "{5, {:status, :exited, 0}}");
  for (uint64_t id = 1; id <= 4; ++id) beam.Send(InEnvelope(id, kAbort));
}

}  // namespace
}  // namespace linx
