#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "streams.h"
#include "test_streams.h"

namespace linx {
namespace {

using test::Ack;
using test::Atom;
using test::Beam;
using test::Counted;
using test::DrainMs;
using test::Flag;
using test::IsAlive;
using test::NextUntilEnd;
using test::Piped;
using test::Said;
using test::Window;

using Clock = std::chrono::steady_clock;

const std::string kExited3 = "{:status, :exited, 3}";

// The pid that a script said first.
pid_t FirstNumber(const std::string& out) { return std::stoi(out); }

TEST_CASE("what a pipe holds at the end comes whatever the window") {
  for (const bool init : {false, true}) {
    for (const uint64_t window : {1, 1000, 50'000, 65'536}) {
      Beam beam;
      // A pipe takes 16 pages, of which the first may be used up by half.
      beam.Send(Piped("echo $(seq 0 12000); exit 3", {Window(window), Flag("init", init)}));
      beam.NextRunning();
      const Said said = NextUntilEnd(beam);
      CHECK(said.out.size() == 60'896);
      CHECK(said.out_eofs == 1);
      CHECK(said.rest == kExited3);
    }
  }
}

TEST_CASE("a reader that does not acknowledge does not hold up the end") {
  Beam beam;
  beam.Send(Piped("echo 1; exit 3", {Window(1), DrainMs(1'000'000)}));
  beam.NextRunning();
  CHECK(NextUntilEnd(beam).rest == kExited3);
}

TEST_CASE("output of a descendant comes until it lets go of the pipe") {
  Beam beam;
  beam.Send(Piped("(seq 0 200000) & echo $! >&2; exit 3", {DrainMs(1'000'000)}));
  beam.NextRunning();
  const Said said = NextUntilEnd(beam);
  const test::Process stray(FirstNumber(said.err));
  CHECK((said.out == Counted(1'288'897)));
  CHECK(said.out_eofs == 1);
  CHECK(said.rest == kExited3);
}

TEST_CASE("a descendant that holds a pipe does not hold up the end for longer than asked for") {
  for (const uint32_t ms : {0, 50}) {
    Beam beam;
    const auto start = Clock::now();
    beam.Send(Piped("sleep 1000 & echo $!; exit 3", {DrainMs(ms)}));
    beam.NextRunning();
    const Said said = NextUntilEnd(beam);
    CHECK(Clock::now() - start >= std::chrono::milliseconds(ms));
    CHECK(said.rest == kExited3);
    CHECK(said.out_eofs == 1);
    CHECK(said.err_eofs == 1);
    const test::Process stray(FirstNumber(said.out));
    CHECK(IsAlive(stray.pid()));
  }
}

TEST_CASE("a descendant that floods does not hold it up either") {
  for (const uint64_t window : {10'000, 1 << 30}) {
    Beam beam;
    beam.Send(Piped("yes & echo $! >&2; exit 3", {DrainMs(50), Window(window)}));
    beam.NextRunning();
    const Said said = NextUntilEnd(beam);
    CHECK(said.rest == kExited3);
    const test::Process stray(FirstNumber(said.err));
  }
}

TEST_CASE("with an init nobody is left to hold a pipe") {
  Beam beam;
  beam.Send(Piped("sleep 1000 & echo held; exit 3", {DrainMs(1'000'000), Flag("init")}));
  beam.NextRunning();
  const Said said = NextUntilEnd(beam);
  CHECK(said.out == "held\n");
  CHECK(said.rest == kExited3);
}

TEST_CASE("when the BEAM goes nobody waits for a drain") {
  Beam beam;
  beam.Send(Piped("sleep 1000 & echo $!; exit 3", {DrainMs(1'000'000)}));
  const pid_t pid = beam.NextRunning();
  const std::string out = beam.Next();
  CHECK(test::Eventually([&] {
    beam.Turn(1);
    return !IsAlive(pid);
  }));
  beam.CloseInput();
  CHECK(NextUntilEnd(beam).rest == kExited3);
  CHECK(beam.Next() == "the end");
  const test::Process stray(FirstNumber(out.substr(out.find('"') + 1)));
}

TEST_CASE("a BEAM that does not read gets all of it when it does, and then the end") {
  Beam beam;
  beam.Send(Piped("exec head -c 1500000 /dev/zero"));
  const pid_t pid = beam.NextRunning();
  beam.StopReading();
  CHECK(beam.StandsStill());
  CHECK(IsAlive(pid));
  beam.ResumeReading();
  const Said said = NextUntilEnd(beam);
  CHECK(said.out.size() == 1'500'000);
  CHECK(said.rest == "{:status, :exited, 0}");
}

TEST_CASE("a window that opens during the drain lets more through") {
  Beam beam;
  beam.Send(
      Piped("(yes | head -c 300000) & echo $! >&2; exit 3", {DrainMs(1'000'000), Window(100'000)}));
  beam.NextRunning();
  std::string event, pid;
  size_t bytes = 0;
  while (event != kExited3 && event != "nothing came") {
    event = beam.Next();
    const size_t size = event.size() - std::string("{:stdout, \"\"}").size();
    if (event.rfind("{:stderr, \"", 0) == 0) pid = event.substr(11);
    if (event.rfind("{:stdout, \"", 0) != 0) continue;
    bytes += size;
    beam.Send(Ack("stdout", size));
  }
  const test::Process stray(FirstNumber(pid));
  CHECK(event == kExited3);
  CHECK(bytes == 300'000);
}

}  // namespace
}  // namespace linx
