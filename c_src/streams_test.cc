#include "streams.h"

#include <doctest/doctest.h>

#include <string>

#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::List;
using test::Shell;
using test::Tuple;
using test::Uint;

std::string Stdin(const std::string& bytes) { return Tuple({Atom("stdin"), Binary(bytes)}); }

const std::string kStdinEof = Tuple({Atom("stdin"), Atom("eof")});

std::string Piped(const std::string& script, test::Pairs pairs = {}) {
  pairs.emplace_back(Atom("stdio"), Atom("pipe"));
  pairs.push_back(Flag("auto_proceed"));
  return Shell(script, pairs);
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
  beam.Send(Piped("cat"));
  beam.NextRunning();
  std::string sent;
  for (int i = 0; sent.size() < 3'000'000; ++i) sent += std::to_string(i) + ' ';
  for (size_t at = 0; at < sent.size(); at += 100'000) beam.Send(Stdin(sent.substr(at, 100'000)));
  beam.Send(kStdinEof);
  std::string got, event;
  size_t acked = 0;
  do {
    got += beam.NextOutput("stdout");
    event = beam.Next();
    if (event.rfind("{:stdin_ack, ", 0) == 0) acked += std::stoul(event.substr(13));
  } while (event.rfind("{:status, ", 0) != 0);
  CHECK((got == sent));
  CHECK(acked == sent.size());
  CHECK(event == "{:status, :exited, 0}");
}

}  // namespace
}  // namespace linx
