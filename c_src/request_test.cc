#include "request.h"

#include <doctest/doctest.h>
#include <linux/sched.h>

#include <string>
#include <vector>

#include "test_frames.h"
#include "test_terms.h"
#include "waiting.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::ImproperList;
using test::Int;
using test::List;
using test::Map;
using test::String;
using test::Tuple;
using test::Uint;

using Pair = std::pair<std::string, std::string>;

Result<Plan> Read(Mode mode, const std::string& map) {
  const std::string frame = test::Frame(map);
  TermReader reader(frame);
  REQUIRE(reader.valid());
  return ReadPlan(mode, reader);
}

Pair Argv() { return {Atom("argv"), List({Binary("/bin/true")})}; }

// A spawn request that has argv and one more key.
Result<Plan> ReadWith(const std::string& key, const std::string& value) {
  return Read(Mode::spawn, Map({Argv(), {Atom(key), value}}));
}

// The plan of a golden request.
Plan GoldenPlan(Mode mode, std::string_view name) {
  const std::string frame = test::Golden(name);
  TermReader reader(frame);
  REQUIRE(reader.ReadTupleOf(2));
  REQUIRE(reader.Skip());
  Result<Plan> plan = ReadPlan(mode, reader);
  REQUIRE(plan.ok());
  CHECK(reader.AtEnd());
  return plan.Take();
}

TEST_CASE("a minimal request has every default") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_minimal");
  CHECK(plan.mode == Mode::spawn);
  CHECK(plan.argv == std::vector<std::string>{"/bin/true"});
  CHECK_FALSE(plan.path);
  CHECK_FALSE(plan.env);
  CHECK_FALSE(plan.all_namespaces);
  CHECK(plan.namespaces == 0);
  for (const Stdio& stdio : plan.stdio) CHECK(stdio.kind == StdioKind::inherit);
  CHECK_FALSE(plan.cwd);
  CHECK_FALSE(plan.no_new_privs);
  CHECK_FALSE(plan.orphan_policy.linger);
  CHECK(plan.orphan_policy.grace_ms == 5000);
  CHECK_FALSE(plan.auto_proceed);
  CHECK_FALSE(plan.init);
  CHECK_FALSE(plan.fail_closed);
  CHECK_FALSE(plan.window);
  CHECK(plan.drain_ms == 1000);
  CHECK_FALSE((plan.uid || plan.gid || plan.groups));
  CHECK_FALSE(plan.usage);
  CHECK_FALSE(plan.cgroup.wanted);
  CHECK(plan.limits.rlimits.empty());
  CHECK(plan.limits.cpus.empty());
  CHECK_FALSE((plan.limits.nice || plan.limits.umask));
}

TEST_CASE("a call that nobody decides waits as long as the request says") {
  const Plan minimal = GoldenPlan(Mode::spawn, "request_spawn_minimal");
  CHECK(minimal.syscall_timeout.ms == 5000);
  CHECK(minimal.syscall_timeout.code == EPERM);
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_notified");
  CHECK(plan.syscall_timeout.ms == INT32_MAX);
  CHECK(plan.syscall_timeout.code == 4095);
}

TEST_CASE("a full request sets every key") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_full");
  CHECK(plan.argv == std::vector<std::string>{"sh", "-c", "exit 7", ""});
  CHECK(plan.path == "/bin/sh");
  CHECK(plan.env == std::vector<std::string>{"PATH=/usr/bin:/bin", "EMPTY=", "LANG=C.UTF-8",
                                             "GREETING=grüß dich"});
  CHECK(plan.namespaces == (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
                            CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWTIME | CLONE_NEWPID));
  CHECK(plan.pty());
  CHECK(plan.cwd == "/tmp");
  CHECK(plan.no_new_privs);
  CHECK(plan.orphan_policy.grace_ms == 250);
  CHECK(plan.auto_proceed);
  CHECK(plan.init);
  CHECK(plan.fail_closed);
  CHECK(plan.uid == 1000u);
  CHECK(plan.gid == 4294967294u);
  CHECK(plan.groups == std::vector<uint32_t>{1000, 4, 65534});
  CHECK(plan.usage == true);
  CHECK(plan.cgroup.wanted);
  CHECK(plan.cgroup.parent == "jobs/nightly");
  REQUIRE(plan.limits.rlimits.size() == 2);
  CHECK(plan.limits.rlimits[0].name == RlimitName::nofile);
  CHECK(plan.limits.rlimits[0].soft == 256);
  CHECK(plan.limits.rlimits[0].hard == 512);
  CHECK(plan.limits.rlimits[1].hard == UINT64_MAX);
  CHECK(plan.limits.nice == -20);
  CHECK(plan.limits.umask == 027u);
  CHECK(plan.limits.cpus == std::vector<uint64_t>{1, 1});
}

TEST_CASE("controls of cgroups imply a leaf, or a checkpoint to be moved at") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_cgroups");
  const std::vector<CgroupControl>& controls = plan.cgroup_controls.list;
  REQUIRE(controls.size() == 7);
  CHECK_FALSE(controls[0].controller);
  CHECK(controls[0].value == "50000 100000");
  for (size_t i = 1; i < controls.size(); ++i) {
    CHECK(controls[i].controller == static_cast<Controller>(i - 1));
  }
  CHECK(plan.needs_parking());
  const Result<Plan> leaf =
      ReadWith("cgroup_controls", List({Tuple({Binary("memory.max"), Binary("max")})}));
  REQUIRE(leaf.ok());
  CHECK(leaf.value().wants_leaf());
  CHECK_FALSE(leaf.value().needs_parking());
  CHECK_FALSE(ReadWith("cgroup_controls", List({Tuple({Binary("../x"), Binary("1")})})).ok());
}

TEST_CASE("the cgroups of a target are there for who enters it") {
  const Pair cgroup{Atom("cgroup"), Atom("target")}, target{Atom("target"), Uint(7)};
  const Result<Plan> enter = Read(Mode::enter, Map({Argv(), cgroup, target}));
  REQUIRE(enter.ok());
  CHECK(enter.value().cgroup.target);
  CHECK_FALSE(enter.value().wants_leaf());
  CHECK_FALSE(Read(Mode::spawn, Map({Argv(), cgroup})).ok());
  const Pair leaf{Atom("cgroup_controls"), List({Tuple({Binary("pids.max"), Binary("1")})})};
  CHECK_FALSE(Read(Mode::enter, Map({Argv(), cgroup, target, leaf})).ok());
  CHECK_FALSE(ReadWith("cgroup", Atom("session")).ok());
}

TEST_CASE("id maps are for a fresh user namespace") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_ids");
  REQUIRE(plan.id_maps.uids.size() == 2);
  CHECK(plan.id_maps.uids[1].outside == 100000);
  REQUIRE(plan.id_maps.gids.size() == 1);
  CHECK(plan.id_maps.gids[0].length == 4294867295);
  CHECK(plan.id_maps.setgroups == false);
  CHECK(plan.needs_parking());
}

TEST_CASE("surroundings are for fresh namespaces") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_surroundings");
  CHECK(plan.surroundings.hostname == "box");
  CHECK(plan.surroundings.domainname == "example");
  CHECK(plan.surroundings.loopback);
  CHECK(plan.surroundings.time_offsets->monotonic == -1);
  CHECK(plan.surroundings.time_offsets->boottime == 86'400'000'000'000);
  CHECK(plan.surroundings.oom_score_adj == -1000);
  CHECK_FALSE(plan.needs_parking());
}

TEST_CASE("what is done to a fresh namespace is refused where there is none") {
  const std::string map = List({Tuple({Uint(0), Uint(1000), Uint(1)})});
  const Pair user{Atom("namespaces"), List({Atom("user")})};
  const Pair target{Atom("target"), Uint(7)};
  for (const Pair& pair : {Pair{Atom("uid_map"), map},
                           Pair{Atom("gid_map"), map},
                           {Atom("setgroups"), Atom("deny")}}) {
    CHECK(Read(Mode::spawn, Map({Argv(), pair, user})).ok());
    CHECK_FALSE(Read(Mode::spawn, Map({Argv(), pair})).ok());
    CHECK_FALSE(Read(Mode::enter, Map({Argv(), pair, user, target})).ok());
  }
  for (const Pair& pair :
       {Pair{Atom("hostname"), Binary("box")}, Pair{Atom("domainname"), Binary("example")},
        Pair{Atom("loopback"), Atom("true")},
        Pair{Atom("time_offsets"), Tuple({Uint(0), Uint(1)})}}) {
    CHECK_FALSE(Read(Mode::spawn, Map({Argv(), pair, user})).ok());
  }
  const Result<Plan> plan = ReadWith("uid_map", map);
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().detail == "uid_map: only in a fresh namespace: user");
}

TEST_CASE("a cgroup is wanted or not, or named below the root of the hierarchy") {
  const Result<Plan> yes = ReadWith("cgroup", Atom("true"));
  REQUIRE(yes.ok());
  CHECK(yes.value().cgroup.wanted);
  CHECK(yes.value().cgroup.parent.empty());
  const Result<Plan> no = ReadWith("cgroup", Atom("false"));
  REQUIRE(no.ok());
  CHECK_FALSE(no.value().cgroup.wanted);
  for (const char* path : {"a", "a/b", "..a/b..", "a b/...", ".hidden"}) {
    CAPTURE(path);
    const Result<Plan> plan = ReadWith("cgroup", Binary(path));
    REQUIRE(plan.ok());
    CHECK(plan.value().cgroup.parent == path);
  }
}

TEST_CASE("a cgroup that could lead out of the hierarchy is malformed") {
  for (const char* path :
       {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/.", "./a"}) {
    CAPTURE(path);
    const Result<Plan> plan = ReadWith("cgroup", Binary(path));
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().stage == Stage::malformed_request);
    CHECK(plan.error().detail.rfind("cgroup: ", 0) == 0);
  }
  CHECK_FALSE(ReadWith("cgroup", Binary({"a\0b", 3})).ok());
  CHECK_FALSE(ReadWith("cgroup", Uint(1)).ok());
  CHECK_FALSE(ReadWith("cgroup", Atom("none")).ok());
  CHECK_FALSE(ReadWith("usage", Uint(1)).ok());
}

TEST_CASE("stdio can be given fd by fd") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_connect_unix");
  CHECK(plan.stdio[0].kind == StdioKind::devnull);
  CHECK(plan.stdio[1].kind == StdioKind::connect_unix);
  CHECK(plan.stdio[1].path == "/run/log.sock");
  CHECK(plan.stdio[2].kind == StdioKind::inherit);
  CHECK(plan.env == std::vector<std::string>{});
  CHECK(plan.orphan_policy.linger);
}

TEST_CASE("stdio can be pipes, files, and stderr what stdout is") {
  const Plan pipes = GoldenPlan(Mode::spawn, "request_spawn_pipes");
  for (const Stdio& stdio : pipes.stdio) CHECK(stdio.kind == StdioKind::pipe);
  CHECK(pipes.window == 1u << 30);
  CHECK(pipes.drain_ms == INT32_MAX);
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_streams");
  CHECK(plan.stdio[0].kind == StdioKind::file);
  CHECK(plan.stdio[0].path == "/etc/hostname");
  CHECK(plan.stdio[0].mode == FileMode::read);
  CHECK(plan.stdio[1].path == "/tmp/grüße");
  CHECK(plan.stdio[1].mode == FileMode::append);
  CHECK(plan.stdio[2].kind == StdioKind::like_stdout);
  CHECK(plan.window == 1u);
  CHECK(plan.drain_ms == 0);
}

TEST_CASE("a link has a name and an end") {
  const auto link = [](const std::string& name, const char* end) {
    const std::string directive = Tuple({Atom("link"), Binary(name), Atom(end)});
    return ReadWith("stdio", List({Tuple({Atom("stdin"), directive})}));
  };
  const Result<Plan> plan = link(std::string(255, 'n'), "write");
  REQUIRE(plan.ok());
  CHECK(plan.value().stdio[0].kind == StdioKind::link);
  CHECK(plan.value().stdio[0].path == std::string(255, 'n'));
  CHECK(plan.value().stdio[0].mode == FileMode::write);
  CHECK_FALSE(link(std::string(256, 'n'), "read").ok());
  CHECK_FALSE(link("", "read").ok());
  CHECK_FALSE(link("n", "append").ok());
}

TEST_CASE("a list of small numbers may come as a string") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_small_groups");
  CHECK(plan.groups == std::vector<uint32_t>{3, 4, 5});
}

TEST_CASE("an unknown key is skipped with its value, whatever they are") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_unknown_keys");
  CHECK(plan.argv.size() == 1);
  for (const Stdio& stdio : plan.stdio) CHECK(stdio.kind == StdioKind::devnull);
  const std::string longest(255, 'k');
  CHECK(Read(Mode::spawn, Map({{Atom(longest), Binary({"\0", 1})}, Argv()})).ok());
  CHECK(Read(Mode::spawn, Map({{ImproperList({Uint(1)}, Uint(2)), Atom("x")}, Argv()})).ok());
}

TEST_CASE("enter takes every namespace of its target unless some are listed") {
  const Plan all = GoldenPlan(Mode::enter, "request_enter_target");
  CHECK(all.mode == Mode::enter);
  CHECK(all.target == 2147483647);
  CHECK(all.all_namespaces);
  const Plan some = GoldenPlan(Mode::enter, "request_enter_some_namespaces");
  CHECK_FALSE(some.all_namespaces);
  CHECK(some.namespaces == (CLONE_NEWNET | CLONE_NEWUSER));
  const std::string session = Tuple({Atom("session"), Uint(0)});
  const Result<Plan> plan = Read(Mode::enter, Map({Argv(), {Atom("target"), session}}));
  REQUIRE(plan.ok());
  CHECK(plan.value().target == 0);
  CHECK(plan.value().target_session == 0u);
}

TEST_CASE("a namespace listed twice is listed once") {
  const Result<Plan> plan = ReadWith("namespaces", List({Atom("uts"), Atom("uts")}));
  REQUIRE(plan.ok());
  CHECK(plan.value().namespaces == CLONE_NEWUTS);
}

TEST_CASE("groups are as many as the kernel allows") {
  const auto groups = [](size_t count) {
    std::string list = "l" + test::BigEndian(count, 4);
    for (size_t i = 0; i < count; ++i) list += Uint(i);
    return ReadWith("groups", list + "j");
  };
  CHECK(groups(65536).ok());
  CHECK_FALSE(groups(65537).ok());
}

struct Wrong {
  const char* key;
  std::string value;
};

// A value of another kind for every key, and what is special to each.
std::vector<Wrong> WrongValues() {
  const std::string nul = Binary({"/bin/a\0b", 8});
  const std::string connect = Atom("connect_unix");
  std::vector<Wrong> wrong = {
      {"env", List({Binary("NOVALUE")})},
      {"env", List({Binary("=value")})},
      {"env", List({Binary("")})},
      {"env", List({Binary({"A=\0", 3})})},
      {"env", ImproperList({Binary("A=1")}, Binary("B=2"))},
      {"env", Map({{Binary("A"), Binary("1")}})},
      {"namespaces", List({Atom("mnt")})},
      {"namespaces", List({Binary("uts")})},
      {"namespaces", ImproperList({Atom("uts")}, Atom("net"))},
      {"stdio", Atom("stdout")},
      {"stdio", Atom("file")},
      {"stdio", List({Tuple({Atom("stdin"), Atom("stdout")})})},
      {"stdio", List({Tuple({Atom("stderr"), Atom("stderr")})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({Atom("file"), Binary(""), Atom("read")})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({Atom("file"), nul, Atom("read")})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({Atom("file"), Binary("/x"), Atom("rw")})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({connect, Binary("/x"), Atom("read")})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({Atom("pipe")})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({Atom("pipe"), Binary("/x")})})})},
      {"window", Uint(0)},
      {"window", Uint((1u << 30) + 1)},
      {"window", Int(-1)},
      {"drain_ms", Int(-1)},
      {"syscall_timeout", Uint(1)},
      {"syscall_timeout", Tuple({Uint(1), Uint(0)})},
      {"syscall_timeout", Tuple({Uint(1), Uint(4096)})},
      {"syscall_timeout", Tuple({Int(-1), Uint(1)})},
      {"syscall_timeout", Tuple({Uint(uint64_t{1} << 31), Uint(1)})},
      {"drain_ms", Uint(uint64_t{1} << 31)},
      {"fds", List({Tuple({Uint(2), Atom("devnull")})})},
      {"fds", List({Tuple({Uint(1024), Atom("devnull")})})},
      {"fds", List({Tuple({Int(-1), Atom("devnull")})})},
      {"fds", List({Tuple({Uint(3), Atom("inherit")})})},
      {"fds", List({Tuple({Uint(3), Atom("pipe")})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("pipe"), Binary("a"), Atom("append")})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("pipe"), Binary("a")})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("file"), Binary("/a"), Atom("read_nonblock")})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("socketpair"), Binary("")})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("socketpair"), nul})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("socketpair"), Binary(std::string(256, 'x'))})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("listener"), Binary("a"), Atom("read")})})})},
      {"fds", List({Tuple({Uint(3), Tuple({Atom("connect"), Atom("a")})})})},
      {"fds", List({Tuple({Uint(3), Atom("devnull")}), Tuple({Uint(3), Atom("devnull")})})},
      {"fds", List({Uint(3), Uint(4)})},
      {"stdio", List({Atom("stdin")})},
      {"stdio", List({Tuple({Atom("stdin"), Atom("pty")})})},
      {"stdio", List({Tuple({Atom("stdlog"), Atom("inherit")})})},
      {"stdio", List({Tuple({Atom("pty"), Atom("inherit")})})},
      {"stdio", List({Tuple({Uint(0), Atom("inherit")})})},
      {"stdio", List({Tuple({Atom("stdin"), Atom("devnull"), Atom("devnull")})})},
      {"stdio",
       List({Tuple({Atom("stdin"), Atom("devnull")}), Tuple({Atom("stdin"), Atom("devnull")})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({connect, Binary("")})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({connect, nul})})})},
      {"stdio", List({Tuple({Atom("stdin"), Tuple({Atom("file"), Binary("/x")})})})},
      {"cwd", nul},
      {"cwd", Atom("nil")},
      {"no_new_privs", Atom("nil")},
      {"orphan_policy", Atom("kill")},
      {"orphan_policy", Tuple({Atom("linger"), Uint(1)})},
      {"orphan_policy", Tuple({Atom("kill"), Int(-1)})},
      {"orphan_policy", Tuple({Atom("kill"), Uint(uint64_t{1} << 32)})},
      {"orphan_policy", Tuple({Atom("kill"), Uint(1), Uint(2)})},
      {"groups", List({Uint(1), Int(-1)})},
      {"groups", ImproperList({Uint(1)}, String("ab"))},
  };
  for (const char* key : {"uid", "gid"}) {
    for (const std::string& id :
         {Int(-1), Uint(4294967295), Uint(4294967296), Uint(UINT64_MAX), Binary("1x")}) {
      wrong.push_back({key, id});
      wrong.push_back({"groups", List({id})});
    }
  }
  for (const char* key : {"env", "namespaces", "stdio", "cwd", "no_new_privs", "orphan_policy",
                          "auto_proceed", "init", "fail_closed", "uid", "gid", "groups", "window",
                          "drain_ms", "syscall_timeout", "fds"}) {
    wrong.push_back({key, "F" + std::string(8, '\0')});
    wrong.push_back({key, Tuple({})});
  }
  return wrong;
}

void CheckMalformed(const Result<Plan>& plan, const std::string& key) {
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().stage == Stage::malformed_request);
  CHECK(plan.error().code == EINVAL);
  CHECK(plan.error().detail.rfind(key + ": ", 0) == 0);
}

TEST_CASE("a known key of the wrong shape is malformed and is named") {
  for (const Wrong& wrong : WrongValues()) {
    CAPTURE(wrong.key);
    CAPTURE(wrong.value);
    CheckMalformed(ReadWith(wrong.key, wrong.value), wrong.key);
  }
}

TEST_CASE("fds are read in their order, and at most 64 of them") {
  const Plan plan = GoldenPlan(Mode::spawn, "request_spawn_fds");
  REQUIRE(plan.fds.size() == 9);
  constexpr int kNumbers[] = {1023, 3, 4, 5, 6, 7, 8, 9, 10};
  constexpr StdioKind kKinds[] = {StdioKind::devnull,  StdioKind::file,    StdioKind::connect_unix,
                                  StdioKind::link,     StdioKind::link,    StdioKind::socketpair,
                                  StdioKind::listener, StdioKind::connect, StdioKind::link};
  for (size_t i = 0; i < 9; ++i) {
    CHECK(plan.fds[i].number == kNumbers[i]);
    CHECK(plan.fds[i].directive.kind == kKinds[i]);
  }
  CHECK(plan.fds[1].directive.path == "/etc/hostname");
  CHECK(plan.fds[3].directive.mode == FileMode::read);
  CHECK(plan.fds[4].directive.mode == FileMode::write);
  CHECK(plan.fds[7].directive.path == "grüße");
  CHECK(plan.fds[8].directive.mode == FileMode::read_nonblock);
  CHECK(plan.links());
  for (const size_t count : {size_t{64}, size_t{65}}) {
    std::string list = "l" + test::BigEndian(count, 4);
    for (size_t i = 0; i < count; ++i) list += Tuple({Uint(3 + i), Atom("devnull")});
    const Result<Plan> many = ReadWith("fds", list + "j");
    CHECK(many.ok() == (count == 64));
    if (many.ok()) CHECK_FALSE(many.value().links());
  }
}

TEST_CASE("argv begins with an absolute path and holds strings") {
  for (const std::string& argv :
       {List({}), List({Binary("true")}), List({Binary("")}), List({Atom("/bin/true")}),
        List({Binary("/bin/true"), Uint(1)}), List({Binary({"/bin/tr\0ue", 10})}),
        List({Binary("/bin/true"), Binary({"\0", 1})}), Binary("/bin/true"), String("/bin"),
        ImproperList({Binary("/bin/true")}, Binary("-x"))}) {
    CheckMalformed(Read(Mode::spawn, Map({{Atom("argv"), argv}})), "argv");
  }
  CheckMalformed(Read(Mode::spawn, Map({})), "argv");
}

TEST_CASE("who waits has a title and nothing that a program gets") {
  const auto wait = [](const std::string& title) { return Pair{Atom("wait"), Binary(title)}; };
  const Result<Plan> plan = Read(Mode::spawn, Map({wait(std::string(kMaxTitle, 'x'))}));
  REQUIRE(plan.ok());
  CHECK(plan.value().waits());
  CHECK(plan.value().title->size() == 255);
  for (const std::string& title :
       {std::string(), std::string(kMaxTitle + 1, 'x'), std::string("a\0b", 3)}) {
    CheckMalformed(Read(Mode::spawn, Map({wait(title)})), "wait");
  }
  CheckMalformed(Read(Mode::spawn, Map({{Atom("wait"), Atom("true")}})), "wait");
  CheckMalformed(Read(Mode::spawn, Map({Argv(), wait("x")})), "argv");
  CheckMalformed(Read(Mode::spawn, Map({wait("x"), {Atom("path"), Binary("/x")}})), "path");
  CheckMalformed(Read(Mode::spawn, Map({wait("x"), {Atom("env"), List({})}})), "env");
  CheckMalformed(Read(Mode::spawn, Map({wait("x"), {Atom("stdio"), Atom("devnull")}})), "stdio");
  CheckMalformed(Read(Mode::spawn, Map({wait("x"), {Atom("fds"), List({})}})), "fds");
  CheckMalformed(Read(Mode::spawn, Map({wait("x"), {Atom("cwd"), Binary("/")}})), "cwd");
  CheckMalformed(Read(Mode::spawn, Map({wait("x"), {Atom("seccomp"), List({})}})), "seccomp");
}

TEST_CASE("path is an absolute path, and argv may then begin with anything") {
  for (const std::string& path : {Binary(""), Binary("true"), Binary({"/a\0b", 4}), Atom("/true"),
                                  List({Binary("/bin/true")})}) {
    CheckMalformed(ReadWith("path", path), "path");
  }
  for (const char* first : {"true", "", "-sh"}) {
    const Result<Plan> plan =
        Read(Mode::spawn,
             Map({{Atom("argv"), List({Binary(first)})}, {Atom("path"), Binary("/bin/sh")}}));
    REQUIRE(plan.ok());
    CHECK(plan.value().path == "/bin/sh");
    CHECK(plan.value().argv == std::vector<std::string>{first});
  }
}

TEST_CASE("a target is a positive pid or a session, and only of enter") {
  for (const std::string& target :
       {Uint(0), Int(-1), Uint(uint64_t{1} << 31), Binary("1"), Tuple({Atom("session")}),
        Tuple({Atom("session"), Uint(uint64_t{1} << 63)}), Tuple({Atom("session"), Int(-1)}),
        Tuple({Atom("kill"), Uint(1)})}) {
    CheckMalformed(Read(Mode::enter, Map({Argv(), {Atom("target"), target}})), "target");
  }
  CheckMalformed(Read(Mode::enter, Map({Argv()})), "target");
  CheckMalformed(ReadWith("target", Uint(1)), "target");
}

TEST_CASE("a key given twice is malformed") {
  CheckMalformed(Read(Mode::spawn, Map({Argv(), Argv()})), "argv");
  CheckMalformed(Read(Mode::spawn, Map({Argv(), {Atom("uid"), Uint(1)}, {Atom("uid"), Uint(0)}})),
                 "uid");
}

TEST_CASE("a request that is no map is malformed") {
  const Result<Plan> plan = Read(Mode::spawn, List({Tuple({Argv().first, Argv().second})}));
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().stage == Stage::malformed_request);
}

}  // namespace
}  // namespace linx
