#include <doctest/doctest.h>

#include <string>

#include "process_use.h"
#include "streams.h"
#include "test_streams.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::NextUntilEnd;
using test::Piped;
using test::Said;
using test::Stdin;
using test::StdinEof;
using test::Tuple;

TEST_CASE("input beyond the queue is refused as a whole, and the rest arrives") {
  Beam beam;
  beam.Send(Piped("read line; exec wc -c"));
  beam.NextRunning();
  const std::string part(4u << 20, 'x');
  for (int i = 0; i < 4; ++i) beam.Send(Stdin(part));
  beam.Send(Stdin(part));
  while (true) {
    const std::string event = beam.Next();
    if (event.rfind("{:stdin_ack, ", 0) == 0) continue;
    CHECK(event == "{:refused, 105, :stdin}");
    break;
  }
  beam.Send(Stdin("\nthe end"));
  beam.Send(StdinEof());
  CHECK(NextUntilEnd(beam).out == "7\n");
}

TEST_CASE("a BEAM that writes without end to a workload that sleeps costs a queue, no more") {
  Beam beam;
  beam.Send(Piped("exec sleep 1000"));
  beam.NextRunning();
  const auto resident = [&] { return ReadProcessUse(beam.launcher().proc_fd()).resident_bytes; };
  const uint64_t before = resident();
  const std::string part(4u << 20, 'x');
  size_t refused = 0;
  for (int i = 0; i < 64; ++i) {
    beam.Send(Stdin(part));
    if (i == 63) CHECK(beam.StandsStill());
    while (!beam.nothing_came()) refused += beam.Next() == "{:refused, 105, :stdin}" ? 1 : 0;
  }
  CHECK(refused >= 60);
  CHECK(resident() < before + (64u << 20));
  beam.Send(Atom("abort"));
  CHECK(NextUntilEnd(beam).rest == "{:stdin, :closed}{:status, :signaled, 9}");
}

TEST_CASE("where fds run out a session fails with a stage, leaves none, and others go on") {
  for (const char* stdio : {"pipe", "pty"}) {
    CAPTURE(stdio);
    Beam beam;
    beam.Send(Tuple({Atom("hello"), test::Uint(1)}));
    beam.Next();
    beam.Send(test::InEnvelope(1, Piped("exec cat")));
    beam.NextReady("{1, ");
    beam.Next();
    const int next = dup(0);
    close(next);
    size_t failed = 0;
    std::string event;
    for (uint64_t id = 2; id < 100; ++id) {
      const size_t before = test::CountFds();
      const std::string lead = "{" + std::to_string(id) + ", ";
      Said said;
      {
        const test::FewFds few(static_cast<size_t>(next) + id - 2);
        beam.Send(test::InEnvelope(
            id, test::Spawn({"/bin/true"}, {{Atom("stdio"), Atom(stdio)}, Flag("auto_proceed")})));
        said = NextUntilEnd(beam, lead);
        CHECK(beam.StandsStill());
      }
      CHECK(test::CountFds() == before);
      if (said.rest.find(lead + "{:status, :exited, 0}") != std::string::npos) break;
      CAPTURE(said.rest);
      const std::string error = lead + "{:error, 24, :";
      CHECK(said.rest.find(error) != std::string::npos);
      ++failed;
    }
    CHECK(failed > 5);
    CHECK(failed < 90);
    beam.Send(test::InEnvelope(1, Stdin("still here")));
    beam.Send(test::InEnvelope(1, StdinEof()));
    CHECK(NextUntilEnd(beam, "{1, ").out == "still here");
  }
}

}  // namespace
}  // namespace linx
