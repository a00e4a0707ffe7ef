#include <doctest/doctest.h>

#include <vector>

#include "test_beam.h"
#include "test_cgroup.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Eventually;
using test::Flag;
using test::List;
using test::Shell;
using test::Spawn;
using test::Tuple;

const std::string kAbort = Atom("abort");

std::string Control(const char* controller, const char* file, const char* value) {
  return Tuple({Atom(controller), Binary(file), Binary(value)});
}

std::pair<std::string, std::string> Controls(std::initializer_list<std::string> list) {
  return {Atom("cgroup_controls"), List(list)};
}

std::string Parent(Controller controller) { return OwnCgroup1(controller).value(); }

// The names of the session cgroups that this process has made for a controller.
std::set<std::string> Made(Controller controller) {
  std::set<std::string> names;
  const std::string mine = "linx-" + std::to_string(getpid()) + "-";
  DIR* list = opendir(Parent(controller).c_str());
  while (const struct dirent* entry = readdir(list)) {
    if (std::string(entry->d_name).rfind(mine, 0) == 0) names.insert(entry->d_name);
  }
  closedir(list);
  return names;
}

std::string OnlyOne(Controller controller) {
  const std::set<std::string> made = Made(controller);
  REQUIRE(made.size() == 1);
  return Parent(controller) + "/" + *made.begin();
}

TEST_CASE("a parked workload is in its cgroups of version 1, which are set and go with it") {
  if (!test::HasVersion1(Controller::pids) || !test::HasVersion1(Controller::cpuset)) return;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(Spawn({"/bin/sleep", "1000"},
                    {Flag("init", init), Controls({Control("pids", "pids.max", "64"),
                                                   Control("cpuset", "cpuset.cpus", "0")})}));
    const pid_t pid = beam.NextReady();
    const std::string pids = OnlyOne(Controller::pids), cpuset = OnlyOne(Controller::cpuset);
    CHECK(test::ReadFile(pids + "/pids.max") == "64\n");
    CHECK(test::ReadFile(pids + "/cgroup.procs") == std::to_string(pid) + "\n");
    CHECK(test::ReadFile(cpuset + "/cpuset.cpus") == "0\n");
    CHECK(test::ReadFile(cpuset + "/cgroup.procs") == std::to_string(pid) + "\n");
    CHECK(test::StatusLine(pid, "Cpus_allowed_list") == "0");
    beam.Send(Atom("proceed"));
    CHECK(beam.Next() == "{:status, :running}");
    beam.Send(test::Signal(SIGTERM));
    CHECK(beam.Next() == "{:status, :signaled, 15}");
    CHECK(Made(Controller::pids).empty());
    CHECK(Made(Controller::cpuset).empty());
  }
}

TEST_CASE("what a workload leaves in a cgroup of version 1 is killed, below it too") {
  if (!test::HasVersion1(Controller::pids) || geteuid() != 0) return;
  Beam beam;
  beam.Send(
      Shell("cg=" + Parent(Controller::pids) +
                "$(sed -n 's/^[0-9]*:pids:.*\\(\\/linx-[0-9-]*\\)$/\\1/p' /proc/self/cgroup); "
                "mkdir -p $cg/a/b; setsid sleep 1000 & setsid sleep 1000 & "
                "echo $! > $cg/a/b/cgroup.procs; read line",
            {Controls({Control("pids", "pids.max", "64")}),
             Flag("auto_proceed"),
             {Atom("stdio"), List({Tuple({Atom("stdin"), Atom("pipe")})})}}));
  beam.NextRunning();
  const std::string cgroup = OnlyOne(Controller::pids);
  CHECK(Eventually([&] { return !test::ReadFile(cgroup + "/a/b/cgroup.procs").empty(); }));
  beam.Send(Tuple({Atom("stdin"), Atom("eof")}));
  CHECK(beam.Next() == "{:status, :exited, 1}");
  CHECK(Made(Controller::pids).empty());
  for (int i = 0; i < 2; ++i) CHECK(Eventually([] { return waitpid(-1, nullptr, WNOHANG) > 0; }));
}

TEST_CASE("a workload that is frozen by version 1 is thawed to die") {
  if (!test::HasVersion1(Controller::freezer)) return;
  for (const bool init : {false, true}) {
    Beam beam;
    beam.Send(
        Spawn({"/bin/sleep", "1000"}, {Flag("init", init), Flag("auto_proceed"),
                                       Controls({Control("freezer", "freezer.state", "THAWED")})}));
    beam.NextRunning();
    const std::string state = OnlyOne(Controller::freezer) + "/freezer.state";
    {
      const UniqueFd file(open(state.c_str(), O_WRONLY | O_CLOEXEC));
      REQUIRE(write(file.get(), "FROZEN", 6) == 6);
    }
    REQUIRE(Eventually([&] { return test::ReadFile(state) == "FROZEN\n"; }));
    beam.Send(kAbort);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
    CHECK(Made(Controller::freezer).empty());
  }
}

TEST_CASE("a value that the kernel refuses is told before anything runs, and nothing stays") {
  if (!test::HasVersion1(Controller::pids) || !test::HasVersion1(Controller::memory)) return;
  Beam beam;
  beam.Send(Spawn({"/bin/true"}, {Controls({Control("memory", "memory.limit_in_bytes", "64m"),
                                            Control("pids", "pids.max", "few")})}));
  CHECK(beam.Next() == "{:error, 22, :cgroup_controls}");
  CHECK(beam.ExitCode() == kSetupFailed);
  CHECK(Made(Controller::pids).empty());
  CHECK(Made(Controller::memory).empty());
}

TEST_CASE("who cannot be moved never runs, and nothing stays") {
  if (!test::HasVersion1(Controller::cpuset)) return;
  Beam beam;
  // Without a node of memory nobody can be there.
  beam.Send(Spawn({"/bin/true"},
                  {Flag("auto_proceed"), Controls({Control("cpuset", "cpuset.mems", "\n")})}));
  CHECK(beam.Next().rfind("{:status, :spawned, ", 0) == 0);
  CHECK(beam.Next() == "{:error, 28, :cgroup_procs}");
  CHECK(Made(Controller::cpuset).empty());
}

TEST_CASE("who enters is moved as well") {
  if (!test::HasVersion1(Controller::pids)) return;
  test::Process target = test::ForkProcess([] { return pause(); });
  Beam beam;
  beam.launcher().Adopt(target.pid());
  beam.Send(test::Enter(test::Uint(static_cast<uint64_t>(target.pid())), {"/bin/sleep", "1000"},
                        {Flag("init"), Controls({Control("pids", "pids.max", "9")})}));
  const pid_t pid = beam.NextReady();
  CHECK(test::ReadFile(OnlyOne(Controller::pids) + "/cgroup.procs") == std::to_string(pid) + "\n");
  beam.Send(kAbort);
  CHECK(beam.Next() == "{:status, :aborted, " + std::to_string(pid) + "}");
  CHECK(Made(Controller::pids).empty());
}

TEST_CASE("who enters is in the target's cgroups, if that is asked for") {
  if (!test::HasVersion1(Controller::pids) || !test::HasLeaves()) return;
  Leaves leaves(*LeafParents::Create());
  Result<Leaf> pids = leaves.Make1(Parent(Controller::pids)), leaf = leaves.Make({});
  REQUIRE((pids.ok() && leaf.ok()));
  test::Process target = test::ForkProcess([] { return pause(); });
  REQUIRE((pids.value().Place(target.pid()).ok() && leaf.value().Place(target.pid()).ok()));
  for (const bool init : {false, true}) {
    Beam beam;
    beam.launcher().Adopt(target.pid());
    beam.Send(test::Enter(test::Uint(static_cast<uint64_t>(target.pid())), {"/bin/sleep", "1000"},
                          {Flag("init", init), {Atom("cgroup"), Atom("target")}}));
    const pid_t pid = beam.NextReady();
    const std::vector<pid_t> there = pids.value().members();
    CHECK(std::set<pid_t>(there.begin(), there.end()) == std::set<pid_t>{pid, target.pid()});
    CHECK(leaf.value().members().size() == 2);
    beam.Send(kAbort);
    CHECK(beam.Next() == "{:status, :aborted, " + std::to_string(pid) + "}");
    CHECK(pids.value().members() == std::vector<pid_t>{target.pid()});
  }
  kill(target.pid(), SIGKILL);
  CHECK(target.EndSignal() == SIGKILL);
}

TEST_CASE("the cgroups of a target that is in the agent's own are no reason to wait") {
  test::Process target = test::ForkProcess([] { return pause(); });
  Beam beam;
  beam.launcher().Adopt(target.pid());
  beam.Send(test::Enter(test::Uint(static_cast<uint64_t>(target.pid())), {"/bin/true"},
                        {Flag("auto_proceed"), {Atom("cgroup"), Atom("target")}}));
  beam.NextRunning();
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

}  // namespace
}  // namespace linx
