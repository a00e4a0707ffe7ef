// The workload's fds above 2, seen from outside.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "test_fds.h"
#include "test_listener.h"

namespace linx {
namespace {

using test::Agent;
using test::Atom;
using test::Binary;
using test::Fds;
using test::FdsKey;
using test::Flag;
using test::InEnvelope;
using test::List;
using test::PipeEnd;
using test::Shared;
using test::Shell;
using test::Tuple;
using test::Uint;

const std::string kNull = Atom("devnull");

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
