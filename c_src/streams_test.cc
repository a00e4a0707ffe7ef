#include "streams.h"

#include <doctest/doctest.h>

#include <string>

#include "test_streams.h"

namespace linx {
namespace {

using test::Ack;
using test::Atom;
using test::Beam;
using test::Binary;
using test::Counted;
using test::Directive;
using test::Flag;
using test::List;
using test::NextUntilEnd;
using test::Piped;
using test::Said;
using test::Shell;
using test::Stdin;
using test::StdinEof;
using test::Tuple;

std::pair<std::string, std::string> Fds(const std::string& in, const std::string& out,
                                        const std::string& err) {
  return {Atom("stdio"), List({Tuple({Atom("stdin"), in}), Tuple({Atom("stdout"), out}),
                               Tuple({Atom("stderr"), err})})};
}

TEST_CASE("three pipes carry what is written, and tell their ends") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(
        Piped("echo err >&2; exec 2>&-; read line; echo \"got $line\"", {Flag("init", init)}));
    beam.NextRunning();
    CHECK(beam.NextOutput("stderr") == "err\n");
    CHECK(beam.Next() == "{:stderr, :eof}");
    beam.Send(Stdin("typed\n"));
    CHECK(beam.Next() == "{:stdin_ack, 6}");
    CHECK(beam.NextOutput("stdout") == "got typed\n");
    CHECK(beam.Next() == "{:stdout, :eof}");
    CHECK(beam.Next() == "{:status, :exited, 0}");
  }
}

TEST_CASE("all input arrives, in order, while output is read") {
  Beam beam;
  beam.Send(Piped("exec cat"));
  beam.NextRunning();
  const std::string sent = Counted(3'000'000);
  for (size_t at = 0; at < sent.size(); at += 100'000) beam.Send(Stdin(sent.substr(at, 100'000)));
  beam.Send(StdinEof());
  const Said said = NextUntilEnd(beam);
  CHECK((said.out == sent));
  CHECK(said.acked == sent.size());
  CHECK(said.rest == "{:status, :exited, 0}");
}

TEST_CASE("bytes of every value pass as they are") {
  std::string sent;
  for (int i = 0; i < 256; ++i) sent.push_back(static_cast<char>(i));
  Beam beam;
  beam.Send(Piped("exec cat"));
  beam.NextRunning();
  beam.Send(Stdin(sent));
  beam.Send(StdinEof());
  CHECK((NextUntilEnd(beam).out == sent));
}

TEST_CASE("each output is told its end once, however it ends") {
  for (const char* script : {"exit 0", "exec >&- 2>&-; exit 0", "kill -9 $$"}) {
    CAPTURE(script);
    Beam beam;
    beam.Send(Piped(script));
    beam.NextRunning();
    const Said said = NextUntilEnd(beam);
    CHECK(said.out_eofs == 1);
    CHECK(said.err_eofs == 1);
  }
}

TEST_CASE("a session that never ran has no output to end") {
  Beam beam;
  beam.Send(test::Spawn({"/no/such/program"}, {{Atom("stdio"), Atom("pipe")}}));
  beam.NextReady();
  beam.Send(Stdin("queued"));
  beam.Send(Atom("proceed"));
  CHECK(beam.Next() == "{:stdin_ack, 6}");
  CHECK(beam.Next() == "{:error, 2, :execve}");
}

TEST_CASE("input may be sent ahead of proceed") {
  Beam beam;
  beam.Send(Shell("exec cat", {{Atom("stdio"), Atom("pipe")}}));
  beam.NextReady();
  const std::string sent = Counted(200'000);
  beam.Send(Stdin(sent));
  beam.Send(StdinEof());
  beam.Send(Atom("proceed"));
  const Said said = NextUntilEnd(beam);
  CHECK((said.out == sent));
  CHECK(said.acked == sent.size());
  CHECK(said.rest == "{:status, :running}{:status, :exited, 0}");
}

TEST_CASE("after its end more input is refused, and the end again is not") {
  Beam beam;
  beam.Send(Piped("read line; exec sleep 1000"));
  beam.NextRunning();
  beam.Send(StdinEof());
  beam.Send(StdinEof());
  beam.Send(Stdin("late"));
  CHECK(beam.Next() == "{:refused, 32, :stdin}");
  beam.Send(Atom("abort"));
  CHECK(NextUntilEnd(beam).rest == "{:status, :signaled, 9}");
}

TEST_CASE("a workload that closes its stdin is heard of, once") {
  Beam beam;
  beam.Send(Piped("exec <&-; echo closed; exec sleep 1000"));
  beam.NextRunning();
  CHECK(beam.Next() == "{:stdout, \"closed\n\"}");
  beam.Send(Stdin("x"));
  CHECK(beam.Next() == "{:stdin, :closed}");
  beam.Send(Stdin("y"));
  CHECK(beam.Next() == "{:refused, 32, :stdin}");
  beam.Send(StdinEof());
  beam.Send(Atom("abort"));
  CHECK(NextUntilEnd(beam).rest == "{:status, :signaled, 9}");
}

TEST_CASE("input that a dead workload has not taken is not acknowledged") {
  Beam beam;
  beam.Send(Piped("read line; exit 3"));
  beam.NextRunning();
  beam.Send(Stdin(std::string(1u << 20, '\n')));
  const Said said = NextUntilEnd(beam);
  CHECK(said.acked > 0);
  CHECK(said.acked < 1u << 20);
  CHECK(said.rest == "{:stdin, :closed}{:status, :exited, 3}");
}

TEST_CASE("stderr can be the very pipe that stdout is") {
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2",
                    {Fds(Atom("devnull"), Atom("pipe"), Atom("stdout")), Flag("auto_proceed"),
                     Flag("init", init)}));
    beam.NextRunning();
    const Said said = NextUntilEnd(beam);
    CHECK(said.out == "1\n2\n3\n4\n");
    CHECK(said.err.empty());
    CHECK(said.out_eofs == 1);
    CHECK(said.err_eofs == 0);
  }
}

TEST_CASE("stderr is what stdout is where that is inherited or a file") {
  const auto same = [](const std::string& out) {
    Beam beam;
    beam.Send(Shell("test /proc/self/fd/1 -ef /proc/self/fd/2",
                    {Fds(Atom("inherit"), out, Atom("stdout")), Flag("auto_proceed")}));
    beam.NextRunning();
    return NextUntilEnd(beam).rest;
  };
  CHECK(same(Atom("inherit")) == "{:status, :exited, 0}");
  CHECK(same(Atom("devnull")) == "{:status, :exited, 0}");
}

TEST_CASE("a workload has no other end of a pipe, its own or another session's") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), test::Uint(1)}));
  beam.Next();
  beam.Send(test::InEnvelope(1, Piped("exec sleep 1000")));
  beam.NextReady("{1, ");
  beam.Next();
  beam.Send(test::InEnvelope(2, Piped("exec ls /proc/self/fd")));
  beam.NextReady("{2, ");
  beam.Next();
  // 3 is what ls lists them by.
  CHECK(NextUntilEnd(beam, "{2, ").out == "0\n1\n2\n3\n");
}

TEST_CASE("pipes end with their own session, whatever inits and children others have") {
  Beam beam;
  beam.Send(Tuple({Atom("hello"), test::Uint(1)}));
  beam.Next();
  beam.Send(test::InEnvelope(1, Piped("exec cat", {Flag("init")})));
  beam.NextReady("{1, ");
  beam.Next();
  for (uint64_t id = 2; id < 6; ++id) {
    const std::string lead = "{" + std::to_string(id) + ", ";
    // A child that is parked from before until after.
    beam.Send(test::InEnvelope(100 + id, Shell("true", {Flag("init", id % 2 == 0)})));
    beam.NextReady("{" + std::to_string(100 + id) + ", ");
    beam.Send(test::InEnvelope(id, Piped("exec cat", {Flag("init", id < 4)})));
    beam.NextReady(lead);
    beam.Next();
    beam.Send(test::InEnvelope(id, Stdin("x")));
    beam.Send(test::InEnvelope(id, StdinEof()));
    const Said said = NextUntilEnd(beam, lead);
    CHECK(said.out == "x");
    CHECK(said.out_eofs == 1);
  }
  beam.Send(test::InEnvelope(1, StdinEof()));
  CHECK(NextUntilEnd(beam, "{1, ").out_eofs == 1);
}

TEST_CASE("what has no stream is refused") {
  Beam beam;
  beam.Send(Shell("exec sleep 1000", {Directive("stdout", Atom("pipe")), Flag("auto_proceed")}));
  beam.NextRunning();
  beam.Send(Stdin("x"));
  CHECK(beam.Next() == "{:refused, 9, :stdin}");
  beam.Send(StdinEof());
  CHECK(beam.Next() == "{:refused, 9, :stdin}");
  beam.Send(Ack("stderr", 0));
  CHECK(beam.Next() == "{:refused, 9, :ack}");
  beam.Send(Ack("pty_out", 0));
  CHECK(beam.Next() == "{:refused, 9, :ack}");
  beam.Send(Tuple({Atom("pty_in"), Binary("x")}));
  CHECK(beam.Next() == "{:refused, 25, :pty_in}");
  beam.Send(Ack("stdout", 1));
  CHECK(beam.Next() == "{:refused, 22, :ack}");
}

}  // namespace
}  // namespace linx
