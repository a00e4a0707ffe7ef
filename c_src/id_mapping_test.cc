#include "id_mapping.h"

#include <doctest/doctest.h>
#include <linux/sched.h>

#include <sstream>

#include "test_beam.h"
#include "test_id_maps.h"

namespace linx {
namespace {

using test::kKeepArguments;
using test::ProcPath;
using test::ReadFile;
using test::Script;
using test::WithoutCapabilities;

// A process in a user namespace of its own, with this pid or any.
test::Process Newcomer(pid_t wanted = 0) {
  test::Pipe here;
  struct clone_args args = {};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  if (wanted != 0) {
    args.set_tid = reinterpret_cast<uint64_t>(&wanted);
    args.set_tid_size = 1;
  }
  const long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) {
    prctl(PR_SET_DUMPABLE, 1);
    here.in.Reset();
    for (;;) pause();
  }
  REQUIRE(pid > 0);
  here.ReadAll();
  return test::Process(static_cast<pid_t>(pid));
}

struct Agent {
  test::AgentScope scope;
  EventLoop loop;
  Launcher launcher;
  bool ended = false;

  Agent() {
    REQUIRE(loop.Open().ok());
    REQUIRE(launcher.Open().ok());
  }
  void OnEnd() { ended = true; }
  bool Ends() {
    return test::Eventually([this] {
      if (!ended) loop.Turn(10);
      return ended;
    });
  }
};

struct Mapping {
  Agent agent;
  test::Process child = Newcomer();
  UniqueFd pidfd = test::OpenPidfd(child.pid());
  IdMapping mapping;

  explicit Mapping(MapPrograms programs = {})
      : mapping({agent.loop, agent.launcher}, Handler::To<&Agent::OnEnd>(&agent)) {
    agent.launcher.map_programs() = programs;
  }
  void Start(const IdMaps& maps) { mapping.Start(maps, pidfd.get(), child.pid()); }
  // The map as the kernel has it, with single spaces.
  std::string Map(const char* name) const {
    std::istringstream numbers(ReadFile(ProcPath(child.pid(), name)));
    std::string text;
    for (std::string number; numbers >> number;) text += (text.empty() ? "" : " ") + number;
    return text;
  }
};

IdMaps Own(uint32_t inside = 0) { return {{{inside, geteuid(), 1}}, {{inside, getegid(), 1}}, {}}; }

IdMaps Many() {
  return {{{0, geteuid(), 1}, {1, 100000, 10}}, {{0, getegid(), 1}, {1, 200000, 20}}, {}};
}

void CheckError(const IdMapping& mapping, Stage stage, int code, const std::string& detail) {
  REQUIRE_FALSE(mapping.outcome().ok());
  CHECK(Name(mapping.outcome().error().stage) == Name(stage));
  CHECK(mapping.outcome().error().code == code);
  CHECK(mapping.outcome().error().detail == detail);
}

TEST_CASE("one's own ids are mapped without anybody's help") {
  REQUIRE(test::HasUserNamespaces());
  Mapping own({"/no/such/program", "/no/such/program"});
  WithoutCapabilities without;
  own.Start(Own(7));
  CHECK(own.agent.ended);
  CHECK(own.mapping.outcome().ok());
  CHECK(own.Map("uid_map") == "7 " + std::to_string(geteuid()) + " 1");
  CHECK(own.Map("gid_map") == "7 " + std::to_string(getegid()) + " 1");
  CHECK(own.Map("setgroups") == "deny");
}

TEST_CASE("who may maps any ids, and setgroups stays as it was") {
  if (!test::HasCapability(CAP_SETUID)) return;
  Mapping any;
  any.Start(Many());
  CHECK(any.mapping.outcome().ok());
  CHECK(any.Map("uid_map") == "0 0 1 1 100000 10");
  CHECK(any.Map("gid_map") == "0 0 1 1 200000 20");
  CHECK(any.Map("setgroups") == "allow");
}

TEST_CASE("a map that the kernel refuses is named") {
  Mapping twice;
  twice.Start(Own());
  REQUIRE(twice.mapping.outcome().ok());
  IdMaps again;
  again.uids = {{3, geteuid(), 1}};
  twice.Start(again);
  CheckError(twice.mapping, Stage::uid_map, EPERM, MapText(again.uids));
}

TEST_CASE("more than one's own ids is a program's to write") {
  const Script uids(kKeepArguments), gids(kKeepArguments);
  Mapping mapping({uids.path(), gids.path()});
  WithoutCapabilities without;
  mapping.Start(Many());
  CHECK(mapping.mapping.busy());
  REQUIRE(mapping.agent.Ends());
  CHECK(mapping.mapping.outcome().ok());
  CHECK_FALSE(mapping.mapping.busy());
  const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  CHECK(uids.arguments() == "fd:0 0 " + uid + " 1 1 100000 10\n");
  CHECK(gids.arguments() == "fd:0 0 " + gid + " 1 1 200000 20\n");
}

TEST_CASE("a program that takes no fd is given the pid") {
  const Script program(
      std::string("case $1 in fd:*) echo 'usage: newuidmap <pid>' >&2; exit 1;; esac\n") +
      kKeepArguments);
  Mapping mapping({program.path(), program.path()});
  WithoutCapabilities without;
  IdMaps maps;
  maps.uids = {{0, 100000, 10}};
  mapping.Start(maps);
  REQUIRE(mapping.agent.Ends());
  CHECK(mapping.mapping.outcome().ok());
  CHECK(program.arguments() == std::to_string(mapping.child.pid()) + " 0 100000 10\n");
}

TEST_CASE("a program that refuses is quoted, and one that is missing is named") {
  IdMaps maps;
  maps.gids = {{0, 100000, 10}};
  WithoutCapabilities without;
  const Script program("echo 'newgidmap: not allowed' >&2; echo 'and more' >&2; exit 1");
  Mapping refused({program.path(), program.path()});
  refused.Start(maps);
  REQUIRE(refused.agent.Ends());
  CheckError(refused.mapping, Stage::gid_map, EPERM, "newgidmap: not allowed");

  Mapping missing({"/no/such/program", "/no/such/program"});
  missing.Start(maps);
  REQUIRE(missing.agent.Ends());
  CheckError(missing.mapping, Stage::gid_map, ENOENT, "/no/such/program");
}

TEST_CASE("a program that hangs can be stopped") {
  const Script program("exec sleep 1000");
  Mapping mapping({program.path(), program.path()});
  WithoutCapabilities without;
  mapping.Start(Many());
  mapping.mapping.Stop();
  REQUIRE(mapping.agent.Ends());
  CHECK_FALSE(mapping.mapping.outcome().ok());
}

TEST_CASE("who has the pid of a child that is gone gets none of its maps") {
  if (!test::HasCapability(CAP_SYS_ADMIN)) return;
  Mapping late;
  const pid_t pid = late.child.pid();
  late.child = {};
  late.child = Newcomer(pid);
  late.Start(Many());
  CheckError(late.mapping, Stage::gid_map, ESRCH, MapText(Many().gids));
  CHECK(late.Map("gid_map").empty());
}

TEST_CASE("nor if the child goes while its maps are written") {
  if (!test::HasCapability(CAP_SYS_ADMIN)) return;
  const Script program("true");
  Mapping mapping({program.path(), program.path()});
  WithoutCapabilities without;
  IdMaps maps = Own();
  maps.gids = Many().gids;
  mapping.Start(maps);
  REQUIRE(mapping.mapping.busy());
  const pid_t pid = mapping.child.pid();
  mapping.child = {};
  mapping.child = Newcomer(pid);
  REQUIRE(mapping.agent.Ends());
  CheckError(mapping.mapping, Stage::uid_map, ESRCH, MapText(maps.uids));
  CHECK(mapping.Map("uid_map").empty());
}

}  // namespace
}  // namespace linx
