// What the agent, a parked child and an init say to each other over SOCK_SEQPACKET pairs: one
// message is one record. All parties are forks of one program, so the records are plain structs.
//
// The end of the child's channel, close-on-exec in the child, says that the child has exec'd or
// died; which of the two it does not say.
#ifndef LINX_CHANNEL_H_
#define LINX_CHANNEL_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "protocol.h"
#include "usage.h"

namespace linx {

// The largest cBPF program the kernel takes (BPF_MAXINSNS), 8 bytes an instruction.
constexpr size_t kMaxFilterBytes = 4096 * 8;
// What a child keeps for the end of its plan; the agent refuses more.
constexpr size_t kMaxFilters = 16;
constexpr size_t kMaxCapCommands = 64;

// What a child, init or helper exits with that did not get to its exec, or to its work.
constexpr int kNotReached = 127;

// Agent to child, at the checkpoint. A filter's program follows its header.
struct Order {
  enum class Kind : uint32_t {
    proceed,
    cap_drop_bounding,
    cap_set_thread,
    cap_set_ambient,
    securebits,
    filter,
    mount_tree  // with the fd of a mount
  };
  Kind kind;
  uint32_t size;     // filter: bytes that follow
  uint32_t given;    // cap_set_thread: which masks are given, 1 << index; the others stay
  uint32_t try_now;  // filter: 1 to try it at once
  uint64_t mask[3];  // cap_*, securebits: the mask, or effective, permitted, inheritable;
                     // mount_tree: what it is, see TakeTree
  uint32_t notify;   // filter: 1 where it has calls notified
};

// Child, init or enter helper to agent.
struct Report {
  enum class Kind : uint32_t {
    failed,         // child, init, helper: code at stage; nothing follows but the exit
    ready,          // child: parked, or past the point where it would have parked
    init_launched,  // helper: the init exists; its pidfd comes with the message
    launched,       // init, helper: the workload exists; its pidfd comes with the message
    forked,         // init: the workload has exited with 0, and the session goes on with the rest
    ended,          // init: the workload's end, sent when nothing of the session is left
    listening,      // child: its filter is in force; the listener comes with the message
  };
  Kind kind;
  Stage stage;         // failed
  int32_t code;        // failed: errno
  int32_t element;     // failed: which of the things that the stage is about, see step_detail.cc
  int32_t pid;         // ready: as the child sees itself; *launched: as the agent does
  int32_t end_code;    // ended: CLD_EXITED, CLD_KILLED or CLD_DUMPED
  int32_t end_status;  // ended: exit code or signal
  uint32_t execed;     // ended: not 0 if the workload got as far as exec
  uint64_t ended_us;   // ended: how long ago the workload ended
  Usage usage;         // ended: the workload's, without its wall time
};

// Agent to an init whose session goes on without its workload: a signal for the init's children;
// SIGKILL is for all of the session.
struct InitOrder {
  int32_t signal;
};

// Sends a record, with a file descriptor unless `fd` is negative; no heap, no errno. 0 or a
// negative errno.
long SendRecord(int channel, const void* record, size_t size, int fd, int flags);
// The next record's bytes, 0 at the end, or a negative errno; an fd that comes with it is `*fd`'s.
long ReceiveRecord(int channel, void* record, size_t size, int* fd, int flags);

}  // namespace linx

#endif  // LINX_CHANNEL_H_
