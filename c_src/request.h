// A request, decoded and validated as a whole: the plan of a session. Nothing of a session exists
// before its plan is valid.
#ifndef LINX_REQUEST_H_
#define LINX_REQUEST_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cgroup_controls.h"
#include "id_maps.h"
#include "landlock.h"
#include "mounts.h"
#include "privileges.h"
#include "process_limits.h"
#include "protocol.h"
#include "result.h"
#include "stdio_request.h"
#include "surroundings.h"
#include "term_reader.h"

namespace linx {

enum class Mode : uint8_t { spawn, enter };

// What becomes of a running workload when the BEAM's end of fd 3 closes.
struct OrphanPolicy {
  bool linger = false;
  uint32_t grace_ms = 5000;  // SIGTERM, then SIGKILL after this long
};

// Which cgroup v2 the session gets a leaf of its own in, or that it is in all cgroups of its
// target.
struct CgroupWish {
  bool wanted = false;
  bool target = false;
  std::string parent;  // relative to the hierarchy's root, names only; empty: the agent's own
};

// When nobody has answered a call of the workload that waits to be decided.
struct SyscallTimeout {
  uint32_t ms = 5000;
  int code = 1;  // EPERM: what it fails with then
};

struct Plan {
  Mode mode = Mode::spawn;
  std::vector<std::string> argv;                // argv[0] absolute if there is no path
  std::optional<std::string> title;             // in place of argv: it waits, see waiting.h
  std::optional<std::string> path;              // of the program, absolute; none: argv[0]
  std::optional<std::vector<std::string>> env;  // none: the agent's environment
  bool all_namespaces = false;                  // enter: every one the target has
  uint64_t namespaces = 0;                      // CLONE_NEW* flags
  int32_t target = 0;                           // enter: a host pid, 0 if a session is meant
  std::optional<uint64_t> target_session;       // enter: {:session, id}, envelope only
  std::array<Stdio, 3> stdio;
  std::vector<FdWish> fds;
  std::optional<std::string> cwd;
  bool no_new_privs = false;
  OrphanPolicy orphan_policy;
  bool auto_proceed = false;
  bool init = false;
  bool forking = false;  // goes on with what a first process leaves that exits with 0
  bool prefork = false;  // fds[0] leads to the warm script whose run it is, with argv for
                         // its arguments alone
  Limits limits;
  IdMaps id_maps;
  Surroundings surroundings;
  Mounts mounts;
  Privileges privileges;
  LandlockLayers landlock;
  CgroupControls cgroup_controls;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<std::vector<uint32_t>> groups;
  bool fail_closed = false;   // a refused restriction makes `proceed` fail
  std::optional<bool> usage;  // none: in the envelope alone
  CgroupWish cgroup;
  SyscallTimeout syscall_timeout;
  std::optional<uint32_t> window;  // bytes of an output that may wait for an ack; none: any number
  uint32_t drain_ms = 1000;        // how long pipes are read after the workload's end

  // Whether the agent has work of its own to do while the child is parked.
  bool needs_parking() const {
    return id_maps.wanted() || mounts.id_mapped() || privileges.wanted() ||
           cgroup_controls.version1();
  }
  bool wants_leaf() const { return cgroup.wanted || cgroup_controls.leaf(); }
  bool waits() const { return title.has_value(); }
  bool pty() const { return stdio[0].kind == StdioKind::pty; }
  bool links() const {
    return std::any_of(stdio.begin(), stdio.end(), [](const Stdio& s) { return s.shared(); }) ||
           std::any_of(fds.begin(), fds.end(),
                       [](const FdWish& fd) { return fd.directive.shared(); });
  }
};

// Reads the map of `{:spawn, map}` or `{:enter, map}`; the reader stands before the map. Every
// failure is Stage::malformed_request with EINVAL and a detail that names the key.
Result<Plan> ReadPlan(Mode mode, TermReader& reader);

}  // namespace linx

#endif  // LINX_REQUEST_H_
