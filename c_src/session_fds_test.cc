// The workload's fds above 2, seen from inside and from outside.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>

#include "test_listener.h"
#include "test_streams.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::InEnvelope;
using test::List;
using test::Shell;
using test::Tuple;
using test::Uint;

using Fds = std::vector<std::pair<int, std::string>>;

std::string Shared(const char* kind, const std::string& name) {
  return Tuple({Atom(kind), Binary(name)});
}

std::string PipeEnd(const std::string& name, const char* end) {
  return Tuple({Atom("pipe"), Binary(name), Atom(end)});
}

std::pair<std::string, std::string> FdsKey(const Fds& fds) {
  std::string list = "l" + test::BigEndian(fds.size(), 4);
  for (const auto& [number, directive] : fds) {
    list += Tuple({Uint(static_cast<uint64_t>(number)), directive});
  }
  return {Atom("fds"), list + "j"};
}

// What /proc shows of a process's fds: a number and where it leads.
std::map<int, std::string> FdsOf(pid_t pid) {
  std::map<int, std::string> fds;
  for (int fd = 0; fd < 1100; ++fd) {
    const std::string link = test::ReadLink(test::ProcPath(pid, "fd/" + std::to_string(fd)));
    if (!link.empty()) fds[fd] = link;
  }
  return fds;
}

std::set<int> NumbersOf(pid_t pid) {
  std::set<int> numbers;
  for (const auto& [fd, link] : FdsOf(pid)) numbers.insert(fd);
  return numbers;
}

struct Agent : Beam {
  Agent() {
    Send(Tuple({Atom("hello"), Uint(1)}));
    Next();
  }
  pid_t Park(uint64_t id, const std::string& request) {
    Send(InEnvelope(id, request));
    return NextReady("{" + std::to_string(id) + ", ");
  }
  void Proceed(uint64_t id) { Send(InEnvelope(id, Atom("proceed"))); }
  // Ends without a word of its own.
  void Fails(uint64_t id, const Fds& fds, const std::string& error) {
    Send(InEnvelope(id, Shell("exit 0", {FdsKey(fds)})));
    CHECK(Next() == "{" + std::to_string(id) + ", {:error, " + error + "}}");
  }
};

const std::string kNull = Atom("devnull");

// Where each kind of process comes from another place in the agent.
TEST_CASE("the workload has these fds and no other, however it is made") {
  test::Directory directory;
  const Fds fds = {{1023, kNull},
                   {3, Tuple({Atom("file"), Binary(directory.file), Atom("append")})},
                   {5, kNull},
                   {4, PipeEnd("a", "read")},
                   {64, Shared("socketpair", "b")}};
  for (const bool init : {true, false}) {
    for (const bool parked : {true, false}) {
      CAPTURE(init);
      CAPTURE(parked);
      Agent beam;
      // An init that waits is not given a plan with fds.
      if (init) {
        beam.Send(InEnvelope(9, Shell("exit 0", {Flag("init"), Flag("auto_proceed")})));
        test::NextUntilEnd(beam, "{9, ");
      }
      beam.Send(InEnvelope(
          1, test::Spawn({"/bin/sleep", "1000"},
                         {FdsKey(fds), Flag("init", init), Flag("auto_proceed", !parked)})));
      const pid_t pid = beam.NextReady("{1, ");
      if (parked) beam.Proceed(1);
      CHECK(beam.Next() == "{1, {:status, :running}}");
      const std::set<int> wanted{0, 1, 2, 3, 4, 5, 64, 1023};
      CHECK(test::Eventually([&] { return NumbersOf(pid) == wanted; }));
      const std::map<int, std::string> seen = FdsOf(pid);
      CHECK(seen.at(3) == directory.file);
      CHECK(seen.at(4).rfind("pipe:", 0) == 0);
      CHECK(seen.at(5) == "/dev/null");
      CHECK(seen.at(64).rfind("socket:", 0) == 0);
      CHECK(seen.at(1023) == "/dev/null");
      beam.Send(InEnvelope(1, Atom("abort")));
      test::NextUntilEnd(beam, "{1, ");
    }
  }
}

TEST_CASE("who enters gets fds too") {
  Agent beam;
  const pid_t target = beam.Park(1, test::Spawn({"/bin/sleep", "1000"}));
  for (const bool init : {true, false}) {
    beam.Send(InEnvelope(
        2, test::Enter(Uint(static_cast<uint64_t>(target)), {"/bin/sleep", "1000"},
                       {FdsKey({{7, kNull}}), Flag("init", init), Flag("auto_proceed")})));
    const pid_t pid = beam.NextReady("{2, ");
    CHECK(beam.Next() == "{2, {:status, :running}}");
    CHECK(test::Eventually([&] { return NumbersOf(pid) == std::set<int>{0, 1, 2, 7}; }));
    beam.Send(InEnvelope(2, Atom("abort")));
    test::NextUntilEnd(beam, "{2, ");
  }
}

TEST_CASE("a limit of open files that is lower than an fd's number comes after it") {
  Agent beam;
  const auto writes = "import os; os.write(9, b'written')";
  beam.Send(InEnvelope(
      1, test::Spawn({"/usr/bin/python3", "-c", writes},
                     {FdsKey({{9, PipeEnd("a", "write")}}),
                      Flag("auto_proceed"),
                      {Atom("rlimits"), List({Tuple({Atom("nofile"), Uint(8), Uint(8)})})}})));
  beam.NextReady("{1, ");
  beam.Send(InEnvelope(2, test::Piped("cat <&3", {FdsKey({{3, PipeEnd("a", "read")}})})));
  std::string all;
  for (int ended = 0; ended < 2;) {
    const std::string event = beam.Next();
    REQUIRE(event != "nothing came");
    ended += event.find(":exited, 0") != event.npos ? 1 : 0;
    if (event.find(":stdout, \"") != event.npos) all += event;
  }
  CHECK(all == "{2, {:stdout, \"written\"}}");
}

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
    beam.Send(Shell("exit 0", {FdsKey({{3, kNull}, {4, directive}})}));
    CHECK(beam.Next() == "{:error, 22, :link}");
  }
  Beam beam;
  beam.Send(test::Piped("exec cat <&3", {FdsKey({{3, kNull}})}));
  CHECK(test::NextUntilEnd(beam).rest.find(":exited, 0") != std::string::npos);
}

TEST_CASE("where fds run out a session with fds fails with a stage, and leaves none") {
  Agent beam;
  Fds fds;
  for (int i = 0; i < 8; ++i) fds.push_back({3 + i, Shared("socketpair", std::to_string(i))});
  const int next = dup(0);
  close(next);
  size_t failed = 0;
  for (uint64_t id = 1; id < 100; ++id) {
    const size_t before = test::CountFds();
    const std::string lead = "{" + std::to_string(id) + ", ";
    test::Said said;
    {
      const test::FewFds few(static_cast<size_t>(next) + id - 1);
      beam.Send(InEnvelope(id, test::Spawn({"/bin/true"}, {FdsKey(fds), Flag("auto_proceed")})));
      said = test::NextUntilEnd(beam, lead);
      CHECK(beam.StandsStill());
    }
    CHECK(test::CountFds() == before);
    if (said.rest.find(lead + "{:status, :exited, 0}") != std::string::npos) break;
    CAPTURE(said.rest);
    CHECK(said.rest.find(lead + "{:error, 24, :") != std::string::npos);
    ++failed;
  }
  CHECK(failed > 8);
  CHECK(failed < 90);
}

}  // namespace
}  // namespace linx
