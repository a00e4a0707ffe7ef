#include "launch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "child_image.h"
#include "clone.h"
#include "init.h"
#include "private_heap.h"
#include "raw_syscall.h"

namespace linx {
namespace {

constexpr size_t kStackSize = 64 << 10;
constexpr size_t kIdleRegions = 64;

// Sanitizers keep per-process state in memory that a child must not share.
#ifdef LINX_SANITIZED
constexpr bool kMayShareMemory = false;
#else
constexpr bool kMayShareMemory = raw::kLeavesErrnoAlone;
#endif

struct Pair {
  UniqueFd ours, theirs;
};

Result<Pair> MakePair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
    return Error::Last(Stage::socketpair);
  }
  return Pair{MoveHigh(UniqueFd(fds[0])), UniqueFd(fds[1])};
}

uint32_t ReadOverflowUid(int proc_fd) {
  const UniqueFd fd(openat(proc_fd, "sys/kernel/overflowuid", O_RDONLY | O_CLOEXEC));
  char text[16] = {};
  if (!fd || read(fd.get(), text, sizeof(text) - 1) <= 0) return 65534;
  return static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

int EnterChild(void* plan) { RunChild(*static_cast<const ChildPlan*>(plan)); }

// A child that shares the agent's memory must not be parked in it, nor need a fork of its own.
bool MaySpawnSharing(const Plan& plan) {
  return kMayShareMemory && plan.auto_proceed && !plan.init && plan.namespaces == 0;
}

InitPlan InitOf(const Plan& plan, const ChildPlan& child, int proc_fd) {
  InitPlan init;
  init.child = child;
  init.proc_fd = proc_fd;
  init.linger = plan.orphan_policy.linger;
  init.share_memory = kMayShareMemory && plan.auto_proceed && plan.namespaces == 0;
  return init;
}

}  // namespace

struct Launcher::Ends {
  Pair channel;
  Pair control;
};

Status Launcher::Open() {
  proc_.Reset(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc_) return Error::Last(Stage::open_proc, "/proc");
  overflow_uid_ = ReadOverflowUid(proc_.get());
  // An empty range is EINVAL, where there is such a call.
  if (raw::Call(SYS_close_range, ~0u, 0, 0) != -ENOSYS) share_fds_ = CLONE_FILES;
  return {};
}

Result<Launcher::Ends> Launcher::MakeChannels(const Plan& plan) {
  Ends ends;
  Result<Pair> channel = MakePair();
  if (!channel.ok()) return channel.error();
  ends.channel = channel.Take();
  if (plan.init || plan.mode == Mode::enter) {
    Result<Pair> control = MakePair();
    if (!control.ok()) return control.error();
    ends.control = control.Take();
  }
  return ends;
}

Result<Launched> Launcher::Spawn(const Plan& plan, const int (&stdio)[3]) {
  Result<Ends> made = MakeChannels(plan);
  if (!made.ok()) return made.error();
  Ends ends = made.Take();
  if (MaySpawnSharing(plan)) return SpawnSharing(plan, stdio, std::move(ends));

  if (!image_.Ensure(ChildImageSize(plan)) || !HideHeapFromForks()) {
    return Error::Last(Stage::memory);
  }
  ChildPlan* child = CopyPlan(plan, &image_);
  child->channel = ends.channel.theirs.get();
  for (int i = 0; i < 3; ++i) child->stdio[i] = stdio[i];
  const bool pid_namespace = (plan.namespaces & CLONE_NEWPID) != 0;
  // An init is born with the pid namespace whose PID 1 it is, and with the others that come along.
  const uint64_t flags = plan.init && !pid_namespace ? 0 : plan.namespaces;

  // On the stack, as all that the fork touches: `plan` is on the heap.
  const bool with_init = plan.init;
  InitPlan init = InitOf(plan, *child, proc_.get());
  init.channel = ends.control.theirs.get();
  init.pid_one = pid_namespace;
  init.foreign_pids = pid_namespace;
  init.workload_flags = plan.namespaces & ~flags;

  Launched launched;
  int pidfd = -1;
  const long pid = Fork(flags | share_fds_, &pidfd);
  if (pid == 0) {
    if (with_init) RunInit(init);
    RunChild(*child);
  }
  image_.Wipe();
  if (pid < 0) return Error::Of(Stage::clone, static_cast<int>(-pid));
  launched.direct = plan.init ? Launched::Direct::init : Launched::Direct::workload;
  launched.process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  launched.channel = std::move(ends.channel.ours);
  launched.control = std::move(ends.control.ours);
  launched.lent = {std::move(ends.channel.theirs), std::move(ends.control.theirs)};
  Adopt(launched.process.pid);
  return launched;
}

Result<Launched> Launcher::SpawnSharing(const Plan& plan, const int (&stdio)[3], Ends ends) {
  Region region;
  if (!idle_.empty()) {
    region = std::move(idle_.back());
    idle_.pop_back();
  }
  const size_t size = kStackSize + ChildImageSize(plan);
  const bool fresh = region.size() < size;
  if (!region.Ensure(size) || (fresh && !region.HideFromForks())) {
    return Error::Last(Stage::memory);
  }
  char* stack = region.Take(kStackSize, 16);
  ChildPlan* child = CopyPlan(plan, &region);
  child->channel = ends.channel.theirs.get();
  for (int i = 0; i < 3; ++i) child->stdio[i] = stdio[i];

  Launched launched;
  int pidfd = -1;
  const long pid = CloneSharing(share_fds_, EnterChild, child, stack, kStackSize, &pidfd);
  if (pid < 0) return Error::Of(Stage::clone, static_cast<int>(-pid));
  launched.process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  launched.channel = std::move(ends.channel.ours);
  launched.lent[0] = std::move(ends.channel.theirs);
  launched.shared = std::move(region);
  Adopt(launched.process.pid);
  return launched;
}

Result<Launched> Launcher::Enter(const Plan& plan, const int (&stdio)[3], int target,
                                 uint64_t join) {
  Result<Ends> made = MakeChannels(plan);
  if (!made.ok()) return made.error();
  Ends ends = made.Take();
  if (!image_.Ensure(ChildImageSize(plan)) || !HideHeapFromForks()) {
    return Error::Last(Stage::memory);
  }
  ChildPlan* child = CopyPlan(plan, &image_);
  child->channel = ends.channel.theirs.get();
  for (int i = 0; i < 3; ++i) child->stdio[i] = stdio[i];

  EnterPlan enter;  // on the stack, as all that the fork touches
  enter.init = InitOf(plan, *child, proc_.get());
  enter.init.channel = ends.control.theirs.get();
  enter.init.foreign_pids = (join & CLONE_NEWPID) != 0;
  enter.namespaces = join;
  enter.target_pidfd = target;
  enter.with_init = plan.init;
  enter.overflow_uid = overflow_uid_;

  int pidfd = -1;
  const long pid = Fork(0, &pidfd);
  if (pid == 0) RunEnterHelper(&enter);
  image_.Wipe();
  if (pid < 0) return Error::Of(Stage::fork, static_cast<int>(-pid));
  Launched launched;
  launched.direct = Launched::Direct::helper;
  launched.process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  launched.channel = std::move(ends.channel.ours);
  launched.control = std::move(ends.control.ours);
  Adopt(launched.process.pid);
  return launched;
}

void Launcher::Recycle(Region shared) {
  if (!shared) return;
  shared.Rewind();
  if (idle_.size() < kIdleRegions) idle_.push_back(std::move(shared));
}

}  // namespace linx
