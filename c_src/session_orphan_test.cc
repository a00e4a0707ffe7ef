#include <doctest/doctest.h>
#include <linux/capability.h>

#include <chrono>
#include <string>

#include "session.h"
#include "test_beam.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Flag;
using test::IsAlive;
using test::Shell;
using test::Spawn;
using test::WithAndWithoutInit;

using Init = std::pair<std::string, std::string>;

const std::pair<std::string, std::string> kLinger = {Atom("orphan_policy"), Atom("linger")};

// A running shell that SIGTERM does not end.
pid_t RunDeaf(Beam& beam, test::Pairs pairs) {
  pairs.push_back(Flag("auto_proceed"));
  beam.Send(Shell("trap '' TERM; exec sleep 1000", pairs));
  const pid_t pid = beam.NextRunning();
  const uint64_t term = uint64_t{1} << (SIGTERM - 1);
  CHECK(test::Eventually([&] { return (test::StatusMask(pid, "SigIgn") & term) != 0; }));
  return pid;
}

TEST_CASE("an orphaned session is parked no longer") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Spawn({"/bin/sleep", "1000"}, {init, kLinger}));
    const pid_t pid = beam.NextReady();
    beam.CloseInput();
    CHECK(beam.Next() == "{:status, :aborted, " + std::to_string(pid) + "}");
  });
}

TEST_CASE("an orphaned workload gets SIGTERM, its grace and SIGKILL") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    RunDeaf(beam, {init, test::KillAfter(50)});
    const auto start = std::chrono::steady_clock::now();
    beam.CloseInput();
    CHECK(beam.Next() == "{:status, :signaled, 9}");
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(49));
  });
}

TEST_CASE("an orphaned workload may use its grace to exit") {
  WithAndWithoutInit([](Beam& beam, const Init& init) {
    beam.Send(Shell("trap 'exit 5' TERM; echo; read line",
                    {init, Flag("auto_proceed"), {Atom("stdio"), Atom("pty")}}));
    beam.NextRunning();
    CHECK(beam.Next() == "{:pty_out, \"\r\n\"}");  // the trap is set
    beam.CloseInput();
    CHECK(beam.Next() == "{:status, :exited, 5}");
  });
}

TEST_CASE("PID 1 of a namespace, to which SIGTERM is nothing, gets no grace") {
  const bool privileged = test::HasCapability(CAP_SYS_ADMIN);
  if (!privileged && !test::HasUserNamespaces()) return;
  const auto fresh =
      privileged ? test::List({Atom("pid")}) : test::List({Atom("pid"), Atom("user")});
  Beam beam;
  beam.Send(
      Spawn({"/bin/sleep", "1000"},
            {{Atom("namespaces"), fresh}, Flag("auto_proceed"), test::KillAfter(1'000'000'000)}));
  beam.NextNumber("{:status, :spawned, ");
  CHECK(beam.Next() == "{:status, :ready, 1}");
  CHECK(beam.Next() == "{:status, :running}");
  beam.CloseInput();
  CHECK(beam.Next() == "{:status, :signaled, 9}");
}

TEST_CASE("a lingering workload goes on without its agent, and the guard knows of it") {
  for (const bool init : {false, true}) {
    CAPTURE(init);
    Beam beam;
    const pid_t pid = RunDeaf(beam, {Flag("init", init), kLinger});
    ProcStat stat;
    REQUIRE(ReadProcStat(test::OpenProc().get(), pid, &stat));
    const pid_t outermost = init ? stat.ppid : pid;
    CHECK(beam.spares().Has(outermost));
    beam.Close();
    CHECK(beam.Ends());
    CHECK(IsAlive(pid));
    CHECK(beam.spares().Has(outermost));
    beam.spares().Remove(outermost);
    kill(pid, SIGKILL);
    CHECK(waitpid(outermost, nullptr, 0) == outermost);
  }
}

TEST_CASE("a session that has ended is spared no longer") {
  Beam beam;
  beam.Send(Spawn({"/bin/sleep", "1000"}, {Flag("auto_proceed"), kLinger}));
  const pid_t pid = beam.NextRunning();
  CHECK(beam.spares().Has(pid));
  beam.Send(Atom("abort"));
  CHECK(beam.Next() == "{:status, :signaled, 9}");
  CHECK_FALSE(beam.spares().Has(pid));
}

}  // namespace
}  // namespace linx
