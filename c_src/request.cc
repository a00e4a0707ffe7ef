#include "request.h"

#include <bitset>

#include "envelope.h"
#include "path_names.h"
#include "waiting.h"

namespace linx {

namespace {

constexpr uint64_t kMaxId = 4294967294;  // 4294967295 means "no change" to setresuid(2)
constexpr uint64_t kMaxPid = INT32_MAX;
constexpr uint64_t kMaxGraceMs = UINT32_MAX;
constexpr size_t kMaxGroups = 65536;  // NGROUPS_MAX
constexpr uint64_t kMaxWindow = 1u << 30;
constexpr uint64_t kMaxDrainMs = INT32_MAX;
constexpr uint64_t kMaxSyscallMs = INT32_MAX;
constexpr uint64_t kMaxErrno = 4095;

bool ReadStrings(TermReader& reader, std::vector<std::string>* out) {
  return reader.ReadList([out](TermReader& element) {
    // Not reserved ahead: a frame's list may be long and hold no string at all.
    out->emplace_back();
    return ReadString(element, &out->back());
  });
}

bool ReadId(TermReader& reader, uint32_t* out) {
  uint64_t id;
  if (!reader.ReadUint(kMaxId, &id)) return false;
  *out = static_cast<uint32_t>(id);
  return true;
}

bool ReadArgv(TermReader& reader, Plan& plan) { return ReadStrings(reader, &plan.argv); }

bool ReadEnv(TermReader& reader, Plan& plan) {
  if (!ReadStrings(reader, &plan.env.emplace())) return false;
  for (const std::string& entry : *plan.env) {
    const size_t name = entry.find('=');
    if (name == 0 || name == entry.npos) return false;
  }
  return true;
}

bool ReadNamespaces(TermReader& reader, Plan& plan) {
  plan.all_namespaces = false;
  return reader.ReadList([&plan](TermReader& element) {
    Namespace ns;
    if (!element.ReadName(&ns)) return false;
    plan.namespaces |= CloneFlag(ns);
    return true;
  });
}

bool ReadTarget(TermReader& reader, Plan& plan) {
  uint64_t number;
  if (reader.ReadUint(kMaxPid, &number)) {
    plan.target = static_cast<int32_t>(number);
    return number > 0;
  }
  Value word;
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&word) || word != Value::session_) return false;
  if (!reader.ReadUint(kMaxSessionId, &number)) return false;
  plan.target_session = number;
  return true;
}

bool ReadStdioKey(TermReader& reader, Plan& plan) { return ReadStdio(reader, &plan.stdio); }

bool ReadFdsKey(TermReader& reader, Plan& plan) { return ReadFds(reader, &plan.fds); }

bool ReadCwd(TermReader& reader, Plan& plan) { return ReadString(reader, &plan.cwd.emplace()); }

bool ReadNoNewPrivs(TermReader& reader, Plan& plan) { return reader.ReadBool(&plan.no_new_privs); }

bool ReadOrphanPolicy(TermReader& reader, Plan& plan) {
  Value word;
  plan.orphan_policy.linger = reader.ReadName(&word) && word == Value::linger_;
  if (plan.orphan_policy.linger) return true;
  uint64_t grace_ms;
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&word) || word != Value::kill_) return false;
  if (!reader.ReadUint(kMaxGraceMs, &grace_ms)) return false;
  plan.orphan_policy.grace_ms = static_cast<uint32_t>(grace_ms);
  return true;
}

bool ReadAutoProceed(TermReader& reader, Plan& plan) { return reader.ReadBool(&plan.auto_proceed); }

bool ReadInit(TermReader& reader, Plan& plan) { return reader.ReadBool(&plan.init); }

bool ReadPreforkKey(TermReader& reader, Plan& plan) {
  plan.prefork = true;
  return ReadPrefork(reader, &plan.fds.emplace_back().directive);
}

bool ReadForking(TermReader& reader, Plan& plan) { return reader.ReadBool(&plan.forking); }

bool ReadUid(TermReader& reader, Plan& plan) { return ReadId(reader, &plan.uid.emplace()); }

bool ReadGid(TermReader& reader, Plan& plan) { return ReadId(reader, &plan.gid.emplace()); }

bool ReadGroups(TermReader& reader, Plan& plan) {
  std::vector<uint32_t>& groups = plan.groups.emplace();
  return reader.ReadList([&groups](TermReader& element) {
    return groups.size() < kMaxGroups && ReadId(element, &groups.emplace_back());
  });
}

bool ReadFailClosed(TermReader& reader, Plan& plan) { return reader.ReadBool(&plan.fail_closed); }

bool ReadUsage(TermReader& reader, Plan& plan) { return reader.ReadBool(&plan.usage.emplace()); }

bool ReadPath(TermReader& reader, Plan& plan) {
  return ReadString(reader, &plan.path.emplace()) && (*plan.path)[0] == '/';
}

bool ReadCgroup(TermReader& reader, Plan& plan) {
  if (reader.ReadBool(&plan.cgroup.wanted)) return true;
  Value word;
  plan.cgroup.target = reader.ReadName(&word) && word == Value::target_;
  if (plan.cgroup.target) return true;
  plan.cgroup.wanted = true;
  return ReadString(reader, &plan.cgroup.parent) && IsPathOfNames(plan.cgroup.parent);
}

bool ReadWindow(TermReader& reader, Plan& plan) {
  uint64_t bytes;
  if (!reader.ReadUint(kMaxWindow, &bytes) || bytes == 0) return false;
  plan.window = static_cast<uint32_t>(bytes);
  return true;
}

bool ReadDrainMs(TermReader& reader, Plan& plan) {
  uint64_t ms;
  if (!reader.ReadUint(kMaxDrainMs, &ms)) return false;
  plan.drain_ms = static_cast<uint32_t>(ms);
  return true;
}

bool ReadSyscallTimeout(TermReader& reader, Plan& plan) {
  uint64_t ms, code;
  if (!reader.ReadTupleOf(2) || !reader.ReadUint(kMaxSyscallMs, &ms)) return false;
  if (!reader.ReadUint(kMaxErrno, &code) || code == 0) return false;
  plan.syscall_timeout = {static_cast<uint32_t>(ms), static_cast<int>(code)};
  return true;
}

bool ReadWait(TermReader& reader, Plan& plan) {
  return ReadString(reader, &plan.title.emplace()) && !plan.title->empty() &&
         plan.title->size() <= kMaxTitle;
}

// What the facility reads whose part of the plan it is.
template <auto kPart, auto kRead>
bool ReadPart(TermReader& reader, Plan& plan) {
  return kRead(reader, &(plan.*kPart));
}

constexpr char kArgvExpected[] =
    "a non-empty list of binaries without NUL, without path the first an absolute one";

// One row a key, in protocol.def's order.
struct KeyReader {
  Key key;
  bool (*read)(TermReader&, Plan&);
  const char* expected;
};
constexpr KeyReader kReaders[] = {
    {Key::argv, ReadArgv, kArgvExpected},
    {Key::env, ReadEnv, "a list of \"NAME=VALUE\" binaries without NUL"},
    {Key::namespaces, ReadNamespaces, "a list of user mount uts ipc cgroup net time pid"},
    {Key::target, ReadTarget, "a pid, 1..2147483647, or {:session, id}"},
    {Key::stdio, ReadStdioKey, kExpectedStdio},
    {Key::cwd, ReadCwd, "a binary without NUL"},
    {Key::no_new_privs, ReadNoNewPrivs, "a boolean"},
    {Key::orphan_policy, ReadOrphanPolicy, "{:kill, 0..4294967295} or :linger"},
    {Key::auto_proceed, ReadAutoProceed, "a boolean"},
    {Key::init, ReadInit, "a boolean"},
    {Key::uid, ReadUid, "0..4294967294"},
    {Key::gid, ReadGid, "0..4294967294"},
    {Key::groups, ReadGroups, "a list of at most 65536 of 0..4294967294"},
    {Key::fail_closed, ReadFailClosed, "a boolean"},
    {Key::usage, ReadUsage, "a boolean"},
    {Key::cgroup, ReadCgroup,
     "a boolean, :target or a path below the root of cgroup v2, without . and .. and no / first or "
     "last"},
    {Key::window, ReadWindow, "1..1073741824"},
    {Key::drain_ms, ReadDrainMs, "0..2147483647"},
    {Key::path, ReadPath, "an absolute path without NUL"},
    {Key::rlimits, ReadPart<&Plan::limits, ReadRlimits>, kExpectedRlimits},
    {Key::nice, ReadPart<&Plan::limits, ReadNice>, kExpectedNice},
    {Key::umask, ReadPart<&Plan::limits, ReadUmask>, kExpectedUmask},
    {Key::cpus, ReadPart<&Plan::limits, ReadCpus>, kExpectedCpus},
    {Key::oom_score_adj, ReadPart<&Plan::surroundings, ReadOomScoreAdj>, kExpectedOomScoreAdj},
    {Key::uid_map, ReadPart<&Plan::id_maps, ReadUidMap>, kExpectedIdMap},
    {Key::gid_map, ReadPart<&Plan::id_maps, ReadGidMap>, kExpectedIdMap},
    {Key::setgroups, ReadPart<&Plan::id_maps, ReadSetgroups>, kExpectedSetgroups},
    {Key::hostname, ReadPart<&Plan::surroundings, ReadHostname>, kExpectedHostname},
    {Key::domainname, ReadPart<&Plan::surroundings, ReadDomainname>, kExpectedHostname},
    {Key::loopback, ReadPart<&Plan::surroundings, ReadLoopback>, "a boolean"},
    {Key::time_offsets, ReadPart<&Plan::surroundings, ReadTimeOffsets>, kExpectedTimeOffsets},
    {Key::root, ReadPart<&Plan::mounts, ReadRoot>, kExpectedRoot},
    {Key::mounts, ReadPart<&Plan::mounts, ReadMounts>, kExpectedMounts},
    {Key::capabilities, ReadPart<&Plan::privileges, ReadCapabilities>, kExpectedCapabilities},
    {Key::securebits, ReadPart<&Plan::privileges, ReadSecurebits>, kExpectedSecurebits},
    {Key::seccomp, ReadPart<&Plan::privileges, ReadSeccomp>, kExpectedSeccomp},
    {Key::landlock, ReadPart<&Plan::landlock, ReadLandlock>, kExpectedLandlock},
    {Key::cgroup_controls, ReadPart<&Plan::cgroup_controls, ReadCgroupControls>,
     kExpectedCgroupControls},
    {Key::syscall_timeout, ReadSyscallTimeout, "{0..2147483647, 1..4095}"},
    {Key::fds, ReadFdsKey, kExpectedFds},
    {Key::wait, ReadWait, "a title of 1..255 bytes without NUL"},
    {Key::forking, ReadForking, "a boolean"},
    {Key::prefork, ReadPreforkKey, kExpectedPrefork},
};
constexpr size_t kKeyCount = sizeof kReaders / sizeof *kReaders;

constexpr bool InOrder() {
  for (size_t i = 0; i < kKeyCount; ++i) {
    if (kReaders[i].key != static_cast<Key>(i)) return false;
  }
  return true;
}
static_assert(InOrder(), "kReaders is indexed by Key");

Error Malformed(Key key, std::string_view why) {
  std::string detail(Name(key));
  return Error::Of(Stage::malformed_request, EINVAL, detail.append(": ").append(why));
}

using Keys = std::bitset<kKeyCount>;

// One pair of the map.
Status ReadPair(TermReader& reader, Plan& plan, Keys* given) {
  Key key;
  if (!reader.ReadName(&key)) {
    reader.Skip();
    reader.Skip();
    return {};
  }
  const auto index = static_cast<size_t>(key);
  // No map has a key twice. Were the last one to win, another decoder might have taken the first.
  if (given->test(index)) return Malformed(key, "given twice");
  given->set(index);
  if (kReaders[index].read(reader, plan)) return {};
  return Malformed(key, std::string("expected ") + kReaders[index].expected);
}

// What is done to a fresh namespace. Without one it would be done to the host's, or to that of
// whoever is entered.
struct FreshOnly {
  Key key;
  Namespace ns;
};
constexpr FreshOnly kFreshOnly[] = {
    {Key::uid_map, Namespace::user},      {Key::gid_map, Namespace::user},
    {Key::setgroups, Namespace::user},    {Key::hostname, Namespace::uts},
    {Key::domainname, Namespace::uts},    {Key::loopback, Namespace::net},
    {Key::time_offsets, Namespace::time}, {Key::root, Namespace::mount},
    {Key::mounts, Namespace::mount}};

// What a program gets, and who waits without one does not.
constexpr Key kProgramOnly[] = {Key::argv, Key::path, Key::env,    Key::stdio,
                                Key::fds,  Key::cwd,  Key::seccomp};

// What a script that runs already can still be given.
constexpr Key kRunHas[] = {Key::prefork,       Key::argv,     Key::env,          Key::stdio,
                           Key::window,        Key::drain_ms, Key::auto_proceed, Key::fail_closed,
                           Key::orphan_policy, Key::usage};

Status CheckRun(const Plan& plan, Keys given) {
  for (const Key key : kRunHas) given.reset(static_cast<size_t>(key));
  for (size_t i = 0; i < given.size(); ++i) {
    if (given.test(i)) return Malformed(static_cast<Key>(i), "not together with prefork");
  }
  if (!plan.orphan_policy.linger) return {};
  return Malformed(Key::orphan_policy, "a run of a warm script ends with its agent");
}

Status CheckProgram(const Plan& plan, const Keys& given) {
  if (plan.waits()) {
    for (const Key key : kProgramOnly) {
      if (given.test(static_cast<size_t>(key))) return Malformed(key, "not together with wait");
    }
    return {};
  }
  if (plan.prefork) return CheckRun(plan, given);
  if (!given.test(static_cast<size_t>(Key::argv))) return Malformed(Key::argv, "required");
  if (plan.argv.empty()) return Malformed(Key::argv, std::string("expected ") + kArgvExpected);
  if (plan.path || plan.argv[0][0] == '/') return {};
  return Malformed(Key::argv, std::string("expected ") + kArgvExpected);
}

// What holds between keys.
Status CheckGiven(Mode mode, const Plan& plan, const Keys& given) {
  const bool target = given.test(static_cast<size_t>(Key::target));
  if (Status program = CheckProgram(plan, given); !program.ok()) return program;
  if (mode == Mode::enter && !target) return Malformed(Key::target, "required");
  if (plan.cgroup.target && (mode == Mode::spawn || plan.cgroup_controls.leaf())) {
    return Malformed(Key::cgroup, ":target is for enter, and has no controls of version 2");
  }
  if (plan.forking && !plan.init) return Malformed(Key::forking, "only with init");
  // Skipping it would run on the host what was meant for the target's namespaces.
  if (mode == Mode::spawn && target) return Malformed(Key::target, "only enter has one");
  for (const auto& [key, ns] : kFreshOnly) {
    const bool fresh = mode == Mode::spawn && (plan.namespaces & CloneFlag(ns)) != 0;
    if (fresh || !given.test(static_cast<size_t>(key))) continue;
    return Malformed(key, std::string("only in a fresh namespace: ").append(Name(ns)));
  }
  if (plan.mounts.id_mapped() && (plan.namespaces & CloneFlag(Namespace::user)) == 0) {
    return Malformed(Key::mounts, "idmap only in a fresh namespace: user");
  }
  return {};
}

}  // namespace

Result<Plan> ReadPlan(Mode mode, TermReader& reader) {
  Plan plan;
  plan.mode = mode;
  plan.all_namespaces = mode == Mode::enter;
  size_t pairs;
  if (!reader.ReadMap(&pairs)) {
    return Error::Of(Stage::malformed_request, EINVAL, "expected a map");
  }
  Keys given;
  for (size_t i = 0; i < pairs; ++i) {
    if (Status status = ReadPair(reader, plan, &given); !status.ok()) return status.error();
  }
  if (Status status = CheckGiven(mode, plan, given); !status.ok()) return status.error();
  return plan;
}

}  // namespace linx
