#include "stdin_pass.h"

#include <doctest/doctest.h>

#include <string>

#include "test_streams.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Counted;
using test::Framed;
using test::InEnvelope;
using test::NextUntilEnd;
using test::Piped;
using test::Said;
using test::Stdin;
using test::StdinEof;
using test::Tuple;

constexpr size_t kLarge = 3'000'000;

TEST_CASE("a large frame of stdin is passed on before it is complete") {
  Beam beam;
  beam.Send(Piped("exec head -c 100000 | wc -c"));
  beam.NextRunning();
  const std::string frame = Framed(Stdin(std::string(kLarge, 'x')));
  beam.SendBytes(frame.substr(0, 200'000));
  size_t acked = 0;
  std::string event;
  while ((event = beam.Next()).rfind("{:stdout, ", 0) != 0 && event != "nothing came") {
    if (event.rfind("{:stdin_ack, ", 0) == 0) acked += std::stoul(event.substr(13));
  }
  CHECK(event == "{:stdout, \"100000\n\"}");
  CHECK(acked <= 200'000);
  // Nobody is there for the rest.
  CHECK(NextUntilEnd(beam).rest.rfind("{:status, :exited, 0}") != std::string::npos);
}

TEST_CASE("it arrives whole and in order however it is cut, and so does what follows") {
  for (const size_t piece : {30, 1000, 16'384, 70'000, 1'000'000}) {
    CAPTURE(piece);
    Beam beam;
    beam.Send(Piped("exec cat"));
    beam.NextRunning();
    const std::string sent = Counted(piece < 1000 ? 100'000 : kLarge);
    const std::string frames =
        Framed(Stdin(sent)) + Framed(Stdin("small")) + Framed(Stdin(sent)) + Framed(StdinEof());
    for (size_t at = 0; at < frames.size(); at += piece) beam.SendBytes(frames.substr(at, piece));
    const Said said = NextUntilEnd(beam);
    CHECK((said.out == sent + "small" + sent));
    CHECK(said.acked == said.out.size());
    CHECK(said.rest == "{:status, :exited, 0}");
  }
}

TEST_CASE("commands to others follow it, whoever is slow to read") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), test::Uint(1)}));
  beam.Next();
  beam.Send(InEnvelope(1, Piped("read line; exec wc -c")));
  beam.NextReady("{1, ");
  beam.Next();
  beam.SendBytes(Framed(InEnvelope(1, Stdin(std::string(kLarge, 'x')))) +
                 Framed(InEnvelope(2, Atom("proceed"))));
  std::string event;
  do {
    event = beam.Next();
  } while (event.rfind("{1, {:stdin_ack", 0) == 0);
  CHECK(event == "{2, {:refused, 2, :unknown_session}}");
  beam.Send(InEnvelope(1, Stdin("\n" + std::string(kLarge, 'y'))));
  beam.Send(InEnvelope(1, StdinEof()));
  CHECK(NextUntilEnd(beam, "{1, ").out == "3000000\n");
}

TEST_CASE("the rest of it goes nowhere when its session has ended") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), test::Uint(1)}));
  beam.Next();
  beam.Send(InEnvelope(1, Piped("exec sleep 1000")));
  const pid_t pid = beam.NextReady("{1, ");
  beam.Next();
  const std::string frame = Framed(InEnvelope(1, Stdin(std::string(kLarge, 'x'))));
  beam.SendBytes(frame.substr(0, kLarge / 2));
  kill(pid, SIGKILL);
  CHECK(NextUntilEnd(beam, "{1, ").rest.find("{1, {:stdin, :closed}}") != std::string::npos);
  beam.SendBytes(frame.substr(kLarge / 2) + Framed(InEnvelope(1, Atom("proceed"))));
  CHECK(beam.Next() == "{1, {:refused, 2, :unknown_session}}");
}

TEST_CASE("one that would be refused is refused as a whole") {
  Beam beam;
  beam.Send(Piped("exec sleep 1000"));
  beam.NextRunning();
  beam.Send(StdinEof());
  beam.Send(Stdin(std::string(kLarge, 'x')));
  CHECK(beam.Next() == "{:refused, 32, :stdin}");
  beam.Send(Tuple({Atom("stdin"), Atom("nothing")}));
  CHECK(beam.Next() == "{:refused, 22, :stdin}");
}

TEST_CASE("a BEAM that goes in the middle of one takes the session along") {
  Beam beam;
  beam.Send(Piped("exec sleep 1000", {test::KillAfter(0)}));
  const pid_t pid = beam.NextRunning();
  beam.SendBytes(Framed(Stdin(std::string(kLarge, 'x'))).substr(0, kLarge / 2));
  beam.Close();
  CHECK(beam.Ends());
  CHECK_FALSE(test::IsAlive(pid));
}

}  // namespace
}  // namespace linx
