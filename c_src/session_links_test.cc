// What sessions of one agent share by a name.
#include <doctest/doctest.h>

#include <set>

#include "test_fds.h"

namespace linx {
namespace {

using test::Agent;
using test::Atom;
using test::Beam;
using test::Binary;
using test::Fds;
using test::FdsKey;
using test::InEnvelope;
using test::PipeEnd;
using test::Shared;
using test::Shell;
using test::Tuple;

TEST_CASE("two sessions have the ends of a pair of sockets") {
  Agent beam;
  const char* const script =
      "import socket\n"
      "s = socket.socket(fileno=3)\n"
      "s.sendall(b'%s')\n"
      "assert s.recv(1) == b'%s'\n";
  const auto talker = [&](const char* says, const char* hears) {
    std::string text = script;
    text.replace(text.find("%s"), 2, says);
    text.replace(text.find("%s"), 2, hears);
    return test::Spawn({"/usr/bin/python3", "-c", text},
                       {FdsKey({{3, Shared("socketpair", "x")}})});
  };
  beam.Park(1, talker("a", "b"));
  beam.Park(2, talker("b", "a"));
  // The name is free again.
  beam.Park(3, talker("a", "b"));
  beam.Proceed(1);
  beam.Proceed(2);
  for (int ended = 0; ended < 2;) {
    const std::string event = beam.Next();
    REQUIRE(event != "nothing came");
    ended += event.find(":exited, 0") != event.npos ? 1 : 0;
  }
}

TEST_CASE("an end that nobody asks for is closed with the session that made it") {
  Agent beam;
  const std::string read_on = "cat <&3; exec cat <&4";
  const Fds mine = {{3, Shared("socketpair", "x")}, {4, PipeEnd("y", "read")}};
  const Fds other = {{3, Shared("socketpair", "x")}, {4, PipeEnd("y", "write")}};
  beam.Park(1, Shell("sleep 1000", {FdsKey(other)}));
  beam.Park(2, test::Shell(read_on, {FdsKey(mine)}));
  beam.Proceed(2);
  CHECK(beam.Next() == "{2, {:status, :running}}");
  beam.Send(InEnvelope(1, Atom("abort")));
  std::string event;
  do event = beam.Next();
  while (event.find("{2, {:status, ") != 0 && event != "nothing came");
  CHECK(event == "{2, {:status, :exited, 0}}");
}

// A listener that answers each connection with its number.
const char* const kServer =
    "import os, select, socket\n"
    "s = socket.socket(fileno=5)\n"
    "assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1\n"
    "assert not os.get_blocking(5)\n"
    "for n in b'12':\n"
    "    select.select([s], [], [])\n"
    "    c, _ = s.accept()\n"
    "    c.sendall(bytes([n]))\n";

TEST_CASE("sessions connect to a listener by its name as long as its owner is there") {
  Agent beam;
  beam.Fails(7, {{3, Shared("connect", "web")}}, "2, :connect, \"web\"");
  beam.Park(1, test::Spawn({"/usr/bin/python3", "-c", kServer},
                           {FdsKey({{5, Shared("listener", "web")}})}));
  beam.Fails(7, {{3, Shared("listener", "web")}}, "16, :link, \"web\"");
  beam.Fails(7, {{3, Shared("socketpair", "web")}}, "16, :link, \"web\"");
  beam.Park(2, test::Piped("exec head -c 1 <&3", {FdsKey({{3, Shared("connect", "web")}})}));
  beam.Proceed(1);
  beam.Send(
      InEnvelope(3, test::Piped("exec head -c 1 <&9", {FdsKey({{9, Shared("connect", "web")}})})));
  std::set<std::string> said;
  for (int ended = 0; ended < 3;) {
    const std::string event = beam.Next();
    REQUIRE(event != "nothing came");
    ended += event.find(":exited, 0") != event.npos ? 1 : 0;
    said.insert(event);
  }
  CHECK(said.count("{2, {:stdout, \"1\"}}") + said.count("{2, {:stdout, \"2\"}}") == 1);
  beam.Fails(7, {{3, Shared("connect", "web")}}, "2, :connect, \"web\"");
}

TEST_CASE("what fails leaves nothing half made") {
  Agent beam;
  const std::string missing = Tuple({Atom("file"), Binary("/no/such/file"), Atom("read")});
  const size_t before = test::CountFds();
  beam.Fails(1,
             {{3, Shared("socketpair", "x")},
              {4, PipeEnd("y", "read")},
              {5, Shared("listener", "z")},
              {6, missing}},
             "2, :open_file, \"/no/such/file\"");
  CHECK(test::CountFds() == before);
  // The names are free.
  beam.Park(2, Shell("exit 0", {FdsKey({{3, PipeEnd("x", "read")},
                                        {4, Shared("socketpair", "y")},
                                        {5, Shared("socketpair", "z")}})}));
  beam.Fails(3, {{3, Shared("socketpair", "x")}}, "16, :link, \"x\"");
}

TEST_CASE("one session may have both ends, and a name stands for stdio's link too") {
  Agent beam;
  beam.Send(InEnvelope(
      1, test::Piped("echo round >&4; exec head -n 1 <&3",
                     {FdsKey({{3, PipeEnd("a", "read")}, {4, PipeEnd("a", "write")}})})));
  CHECK(test::NextUntilEnd(beam, "{1, ").out == "round\n");
  beam.Park(2,
            Shell("echo linked",
                  {test::Directive("stdout", Tuple({Atom("link"), Binary("a"), Atom("write")}))}));
  beam.Send(InEnvelope(3, test::Piped("exec cat <&3", {FdsKey({{3, PipeEnd("a", "read")}})})));
  beam.Proceed(2);
  std::string event;
  do event = beam.Next();
  while (event != "{3, {:stdout, \"linked\n\"}}" && event != "nothing came");
  CHECK(event != "nothing came");
}

TEST_CASE("a session alone has nobody to share with") {
  for (const std::string& directive :
       {PipeEnd("a", "read"), Shared("socketpair", "a"), Shared("listener", "a")}) {
    Beam beam;
    beam.Send(Shell("exit 0", {FdsKey({{3, Atom("devnull")}, {4, directive}})}));
    CHECK(beam.Next() == "{:error, 22, :link}");
  }
  Beam beam;
  beam.Send(test::Piped("exec cat <&3", {FdsKey({{3, Atom("devnull")}})}));
  CHECK(test::NextUntilEnd(beam).rest.find(":exited, 0") != std::string::npos);
}

}  // namespace
}  // namespace linx
