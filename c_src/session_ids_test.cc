#include <doctest/doctest.h>

#include <string>

#include "session.h"
#include "test_beam.h"
#include "test_id_maps.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::List;
using test::Pairs;
using test::Script;
using test::Spawn;
using test::Tuple;
using test::Uint;
using test::WithoutCapabilities;

std::string Range(uint32_t inside, uint32_t outside, uint32_t length) {
  return Tuple({Uint(inside), Uint(outside), Uint(length)});
}

Pairs Fresh(Pairs pairs) {
  pairs.emplace_back(Atom("namespaces"), List({Atom("user")}));
  return pairs;
}

Pairs Own() { return Fresh({{Atom("uid_map"), List({Range(7, geteuid(), 1)})}}); }

Pairs Others() { return Fresh({{Atom("uid_map"), List({Range(0, 100000, 10)})}}); }

TEST_CASE("a session's ids are mapped before it is ready, and before its workload goes on") {
  for (const bool init : {false, true}) {
    for (const bool auto_proceed : {false, true}) {
      CAPTURE(init);
      CAPTURE(auto_proceed);
      Beam beam;
      Pairs pairs = Own();
      pairs.push_back(Flag("init", init));
      pairs.push_back(Flag("auto_proceed", auto_proceed));
      beam.Send(test::Shell("test `id -u` = 7", pairs));
      const pid_t pid = beam.NextReady();
      if (!auto_proceed) {
        CHECK(test::ReadFile(test::ProcPath(pid, "uid_map")).find(" 7 ") != std::string::npos);
        beam.Send(Atom("proceed"));
      }
      CHECK(beam.Next() == "{:status, :running}");
      CHECK(beam.Next() == "{:status, :exited, 0}");
    }
  }
}

TEST_CASE("a program that refuses ends its session before the workload runs") {
  const Script program("echo no >&2; exit 1");
  WithoutCapabilities without;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.launcher().map_programs() = {program.path(), program.path()};
    Pairs pairs = Others();
    pairs.push_back(Flag("init", init));
    beam.Send(Spawn({"/bin/true"}, pairs));
    beam.NextNumber("{:status, :spawned, ");
    CHECK(beam.Next() == "{:error, 1, :uid_map}");
    CHECK(beam.ExitCode() == kSetupFailed);
  }
}

TEST_CASE("while a program takes its time the loop goes on") {
  const Script program("while [ ! -e \"$0.go\" ]; do sleep 0.01; done");
  WithoutCapabilities without;
  Beam beam;
  beam.launcher().map_programs() = {program.path(), program.path()};
  beam.Send(Tuple({Atom("hello"), Uint(1)}));
  beam.Next();
  beam.Send(test::InEnvelope(1, Spawn({"/bin/true"}, Others())));
  beam.NextNumber("{1, {:status, :spawned, ");
  beam.Send(test::InEnvelope(1, Atom("proceed")));
  Pairs at_once{Flag("auto_proceed"), Flag("usage", false)};
  beam.Send(test::InEnvelope(2, Spawn({"/bin/true"}, at_once)));
  beam.NextReady("{2, ");
  CHECK(beam.Next() == "{2, {:status, :running}}");
  CHECK(beam.Next() == "{2, {:status, :exited, 0}}");
  program.Touch(".go");
  beam.NextNumber("{1, {:status, :ready, ");
  CHECK(beam.Next() == "{1, {:status, :running}}");
}

TEST_CASE("nothing is left of a session that ends while a program writes its maps") {
  const Script program("exec sleep 1000");
  WithoutCapabilities without;
  for (const bool init : {false, true}) {
    for (const bool killed : {false, true}) {
      CAPTURE(init);
      CAPTURE(killed);
      Beam beam;
      beam.launcher().map_programs() = {program.path(), program.path()};
      Pairs pairs = Others();
      pairs.push_back(Flag("init", init));
      beam.Send(Spawn({"/bin/true"}, pairs));
      const pid_t pid = beam.NextNumber("{:status, :spawned, ");
      beam.TurnAll();
      if (killed) {
        kill(pid, SIGKILL);
        CHECK(beam.Next() == "{:status, :signaled, 9}");
      } else {
        beam.Send(Atom("abort"));
        CHECK(beam.Next().rfind("{:status, :aborted", 0) == 0);
      }
    }
  }
}

}  // namespace
}  // namespace linx
