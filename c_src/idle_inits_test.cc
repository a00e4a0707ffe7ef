#include "idle_inits.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "strays.h"
#include "test_beam.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::Atom;
using test::Flag;
using test::InEnvelope;
using test::IsAlive;
using test::Tuple;
using test::Uint;

// A process that ends when its channel does, as an init does.
IdleInit Make() {
  test::Channel channel;
  const pid_t pid = fork();
  if (pid == 0) {
    channel.ours.Reset();
    char byte;
    _exit(read(channel.theirs.get(), &byte, 1) == 0 ? 0 : 1);
  }
  IdleInit init;
  init.process = {test::OpenPidfd(pid), pid};
  init.control = std::move(channel.ours);
  return init;
}

TEST_CASE("of the idle inits the last one comes first") {
  IdleInits inits;
  CHECK_FALSE(inits.Take());
  IdleInit one = Make(), other = Make();
  const pid_t first = one.process.pid, second = other.process.pid;
  inits.Keep(std::move(one));
  inits.Keep(std::move(other));
  CHECK(inits.Has(first));
  const std::optional<IdleInit> taken = inits.Take();
  REQUIRE(taken);
  CHECK(taken->process.pid == second);
  CHECK_FALSE(inits.Has(second));
  IdleInits::End(*taken);
  CHECK_FALSE(IsAlive(second));
}

TEST_CASE("none is left of the inits that were idle") {
  pid_t pids[IdleInits::kMax];
  {
    IdleInits inits;
    for (pid_t& pid : pids) {
      CHECK_FALSE(inits.full());
      IdleInit init = Make();
      pid = init.process.pid;
      inits.Keep(std::move(init));
    }
    CHECK(inits.full());
  }
  for (const pid_t pid : pids) CHECK(kill(pid, 0) < 0);
}

TEST_CASE("an idle init that dies is reaped and not used") {
  IdleInits inits;
  IdleInit init = Make();
  const pid_t pid = init.process.pid;
  inits.Keep(std::move(init));
  inits.Bury(pid);
  CHECK(inits.Has(pid));
  kill(pid, SIGKILL);
  CHECK(test::Eventually([&] { return inits.Bury(pid), !inits.Has(pid); }));
  CHECK(kill(pid, 0) < 0);
  CHECK_FALSE(inits.Take());
}

// Sessions with an init, one after the other, with one agent.
struct Envelope : test::Beam {
  Envelope() {
    Send(Tuple({Atom("hello"), Uint(1)}));
    Next();
  }
  void Start(uint64_t id, const std::string& script, test::Pairs pairs) {
    pairs.push_back(Flag("init"));
    pairs.push_back(Flag("auto_proceed"));
    pairs.push_back(Flag("usage", false));
    Send(InEnvelope(id, test::Shell(script, pairs)));
    const std::string lead = "{" + std::to_string(id) + ", ";
    const pid_t pid = NextReady(lead);
    CHECK(Next() == lead + "{:status, :running}}");
    init = std::stoi(test::StatusLine(pid, "PPid"));
  }
  void End(uint64_t id) {
    Send(InEnvelope(id, Atom("abort")));
    CHECK(Next() == "{" + std::to_string(id) + ", {:status, :signaled, 9}}");
  }
  pid_t init = 0;
};

const test::Pairs kOnNull = {{Atom("stdio"), Atom("devnull")}};

TEST_CASE("an init serves one session after the other") {
  Envelope beam;
  beam.Start(1, "exec sleep 1000", kOnNull);
  const pid_t first = beam.init;
  CHECK(test::StatusLine(first, "Name") == "linx_init");
  beam.Start(2, "exec sleep 1000", {});
  CHECK(beam.init != first);
  beam.End(1);
  CHECK(test::StatusLine(first, "Name") == "linx_idle");
  beam.Start(3, "exec sleep 1000", kOnNull);
  CHECK(beam.init == first);
  beam.End(3);
  beam.End(2);
}

TEST_CASE("of many sessions only so many inits stay") {
  Envelope beam;
  std::set<pid_t> inits;
  for (uint64_t id = 1; id <= IdleInits::kMax + 2; ++id) {
    beam.Start(id, "exec sleep 1000", kOnNull);
    inits.insert(beam.init);
  }
  for (uint64_t id = 1; id <= IdleInits::kMax + 2; ++id) beam.End(id);
  size_t alive = 0;
  for (const pid_t init : inits) alive += kill(init, 0) == 0;
  CHECK(alive == IdleInits::kMax);
}

TEST_CASE("a later session has the stdio and environment that it asked for") {
  Envelope beam;
  test::Pipe out;
  beam.Start(1, "exec sleep 1000", kOnNull);
  const pid_t first = beam.init;
  beam.End(1);
  // What it leaves as it is is the agent's, which is this pipe for a moment.
  const UniqueFd saved(fcntl(1, F_DUPFD_CLOEXEC, 3));
  dup2(out.in.get(), 1);
  beam.Start(
      2, "echo $A; readlink /proc/self/fd/0; [ -e /proc/$$/fd/3 ] || echo clean; read line",
      {{Atom("stdio"), "l" + test::BigEndian(1, 4) + Tuple({Atom("stdin"), Atom("devnull")}) + "j"},
       {Atom("env"), test::Binaries({"A=later", "PATH=/bin:/usr/bin"})}});
  dup2(saved.get(), 1);
  CHECK(beam.init == first);
  CHECK(out.ReadLine() == "later");
  CHECK(out.ReadLine() == "/dev/null");
  CHECK(out.ReadLine() == "clean");
  CHECK(beam.Next() == "{2, {:status, :exited, 1}}");
}

TEST_CASE("a session does without an idle init that was killed") {
  Envelope beam;
  beam.Start(1, "exec sleep 1000", kOnNull);
  const pid_t first = beam.init;
  beam.End(1);
  kill(first, SIGKILL);
  CHECK(test::Eventually([&] { return !IsAlive(first); }));
  beam.Start(2, "exec sleep 1000", kOnNull);
  CHECK(beam.init != first);
  CHECK(kill(first, 0) < 0);
  beam.End(2);
}

TEST_CASE("a plan larger than a message makes an init of its own") {
  Envelope beam;
  beam.Start(1, "exec sleep 1000", kOnNull);
  const pid_t first = beam.init;
  beam.End(1);
  test::Pairs large = kOnNull;
  std::vector<std::string> env;
  for (int i = 0; i < 4; ++i) env.push_back(std::string(50'000, 'e') + "=");
  large.emplace_back(Atom("env"), test::Binaries(env));
  beam.Start(2, "exec /bin/sleep 1000", large);
  CHECK(beam.init != first);
  beam.End(2);
}

}  // namespace
}  // namespace linx
