#include "launch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>

#include "child_image.h"
#include "clone.h"
#include "close_fds.h"
#include "handover.h"
#include "init.h"
#include "pidfd.h"
#include "private_heap.h"
#include "raw_syscall.h"
#include "reports.h"

namespace linx {
namespace {

constexpr size_t kStackSize = 64 << 10;
constexpr size_t kIdleRegions = 64;
// Of most plans: then the image stays where it is. Untouched pages cost nothing.
constexpr size_t kImageSize = 256u << 10;

// Sanitizers keep per-process state in memory that a child must not share.
#ifdef LINX_SANITIZED
constexpr bool kMayShareMemory = false;
#else
constexpr bool kMayShareMemory = raw::kLeavesErrnoAlone;
#endif

uint32_t ReadOverflowUid(int proc_fd) {
  const UniqueFd fd(openat(proc_fd, "sys/kernel/overflowuid", O_RDONLY | O_CLOEXEC));
  char text[16] = {};
  if (!fd || read(fd.get(), text, sizeof(text) - 1) <= 0) return 65534;
  return static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

void Lend(const LentFds& fds, ChildPlan* child) {
  for (int i = 0; i < 3; ++i) child->stdio[i] = fds.stdio[i];
  for (size_t i = 0; i < child->fd_count; ++i) child->fds[i].source = fds.others[i];
}

int EnterChild(void* plan) { RunChild(*static_cast<const ChildPlan*>(plan)); }

// Whether a process that joins a fresh time namespace is in it once it execs (Linux 6.1). One that
// shares its parent's memory cannot be born in it.
bool ExecSwitchesTime() {
  static const bool switches = [] {
    struct utsname name;
    int major = 0, minor = 0;
    return uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 1));
  }();
  return switches;
}

// A child that shares the agent's memory must not be parked in it, nor need a fork of its own.
bool MaySpawnSharing(const Plan& plan) {
  if (!kMayShareMemory || !plan.auto_proceed || plan.init || plan.waits()) return false;
  if (plan.surroundings.needs_own_memory()) return false;
  // In a fresh user namespace the child may make the time namespace; elsewhere clone is to say
  // whether it may.
  return (plan.namespaces & CLONE_NEWTIME) == 0 ||
         (ExecSwitchesTime() && (plan.namespaces & CLONE_NEWUSER) != 0);
}

// Whether a child that is there already will do. It is in the agent's own namespaces and cgroups,
// takes fds 0, 1 and 2 in a message, and has nothing to do before it is ready. One that is not
// parked is made faster.
bool MayStandBy(const Plan& plan) {
  return kMayShareMemory && !plan.auto_proceed && !plan.init && !plan.waits() &&
         plan.namespaces == 0 && plan.fds.empty() && !plan.no_new_privs && !plan.wants_leaf() &&
         !plan.cgroup_controls.wanted() && !plan.surroundings.needs_own_memory() &&
         !plan.surroundings.time_offsets && ChildImageSize(plan) <= kMaxHandover;
}

InitPlan InitOf(const Plan& plan, const ChildPlan& child, int proc_fd) {
  InitPlan init;
  init.child = child;
  init.proc_fd = proc_fd;
  init.linger = plan.orphan_policy.linger;
  init.forking = plan.forking;
  init.share_memory = kMayShareMemory && plan.auto_proceed && plan.namespaces == 0 &&
                      !plan.waits() && !plan.surroundings.needs_own_memory();
  return init;
}

}  // namespace

Status Launcher::Open() {
  proc_.Reset(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc_) return Error::Last(Stage::open_proc, "/proc");
  if (!image_.Ensure(kImageSize)) return Error::Last(Stage::memory);
  overflow_uid_ = ReadOverflowUid(proc_.get());
  if (ClosesRanges()) share_fds_ = CLONE_FILES;
  return {};
}

Result<ChildPlan*> Launcher::MakeImage(const Plan& plan, const LentFds& fds) {
  const char* const before = image_.base();
  if (!image_.Ensure(ChildImageSize(plan) + sizeof(InitPlan) + alignof(InitPlan))) {
    return Error::Last(Stage::memory);
  }
  // They know it at its old address only.
  if (image_.base() != before) idle_inits_.Clear();
  ChildPlan* child = CopyPlan(plan, &image_);
  Lend(fds, child);
  return child;
}

Result<Launched> Launcher::Spawn(const Plan& plan, const LentFds& fds, int cgroup) {
  // Before Linux 6.1 it would take another fork to be in the namespace.
  if (plan.surroundings.time_offsets && !ExecSwitchesTime()) {
    return Error::Of(Stage::time_offsets, EOPNOTSUPP);
  }
  Launched launched;
  if (MayStandBy(plan) && GiveToStandby(plan, fds, &launched)) return launched;
  Result<ChannelPair> channel = MakeChannel();
  if (!channel.ok()) return channel.error();
  launched.waits = plan.waits();
  launched.channel = std::move(channel.value().ours);
  launched.lent[0] = std::move(channel.value().theirs);
  const Status made = MaySpawnSharing(plan) && cgroup < 0
                          ? SpawnSharing(plan, fds, &launched)
                          : SpawnFromImage(plan, fds, cgroup, &launched);
  if (!made.ok()) return made.error();
  Adopt(launched.process.pid);
  return launched;
}

Status Launcher::SpawnFromImage(const Plan& plan, const LentFds& fds, int cgroup,
                                Launched* launched) {
  Result<ChildPlan*> image = MakeImage(plan, fds);
  if (!image.ok()) return image.error();
  ChildPlan* child = image.value();
  child->channel = launched->lent[0].get();
  uint64_t namespaces = plan.namespaces;
  child->fresh_cgroup = cgroup >= 0 && (namespaces & CLONE_NEWCGROUP) != 0;
  if (child->fresh_cgroup) namespaces &= ~uint64_t{CLONE_NEWCGROUP};
  // The clocks of one that clone makes cannot be set any more.
  child->fresh_time = plan.surroundings.time_offsets.has_value();
  if (child->fresh_time) namespaces &= ~uint64_t{CLONE_NEWTIME};
  const bool pid_namespace = (namespaces & CLONE_NEWPID) != 0;
  // An init is born with the pid namespace whose PID 1 it is, and with the others that come along.
  const uint64_t flags = plan.init && !pid_namespace ? 0 : namespaces;
  InitPlan* init = nullptr;
  if (plan.init) {
    launched->direct = Launched::Direct::init;
    init = new (image_.TakeArray<InitPlan>(1)) InitPlan(InitOf(plan, *child, proc_.get()));
    init->pid_one = pid_namespace;
    init->foreign_pids = pid_namespace;
    init->workload_flags = namespaces & ~flags;
    init->cgroup = cgroup;
    init->share_memory = init->share_memory && cgroup < 0;
    if (!pid_namespace) {
      launched->image = image_.base();
      init->image = {image_.base(), image_.size(), image_.used()};
    }
  }
  const Status made = init != nullptr && GiveToIdle(*init, launched)
                          ? Status()
                          : Make(child, init, flags, cgroup, launched);
  image_.Wipe();
  return made;
}

bool Launcher::GiveToIdle(const InitPlan& init, Launched* launched) {
  // A message carries fds 0, 1 and 2: more of them are worth a fork.
  if (init.child.fd_count > 0) return false;
  if (launched->image == nullptr || image_.used() > kMaxHandover) return false;
  while (std::optional<IdleInit> idle = idle_inits_.Take()) {
    if (!SendPlan(idle->control.get(), image_, init)) {
      IdleInits::End(*idle);
      continue;
    }
    launched->process = std::move(idle->process);
    launched->control = std::move(idle->control);
    launched->lent = {};
    return true;
  }
  return false;
}

bool Launcher::GiveToStandby(const Plan& plan, const LentFds& fds, Launched* launched) {
  while (std::optional<Standby> standby = standbys_.Take(image_.base())) {
    Result<ChildPlan*> child = MakeImage(plan, fds);
    const bool given = child.ok() && SendPlan(standby->channel.get(), image_, child.value());
    image_.Wipe();
    if (given) {
      launched->process = std::move(standby->process);
      launched->channel = std::move(standby->channel);
      launched->nursery = standby->nursery;
      Adopt(launched->process.pid);
      return true;
    }
    siginfo_t info;
    WaitFor(standby->process.pidfd.get(), &info, 0);  // somebody killed it
    standbys_.Return(standby->nursery, false);
  }
  return false;
}

Status Launcher::Make(ChildPlan* child, InitPlan* init, uint64_t flags, int cgroup,
                      Launched* launched) {
  if (init != nullptr) {
    Result<ChannelPair> control = MakeChannel();
    if (!control.ok()) return control.error();
    launched->control = std::move(control.value().ours);
    launched->lent[1] = std::move(control.value().theirs);
    init->channel = launched->lent[1].get();
  }
  if (!HideHeapFromForks()) return Error::Last(Stage::memory);
  int pidfd = -1;
  // An init stays outside the workload's cgroup, in which all can be frozen and killed at once.
  const int born_in = init == nullptr ? cgroup : -1;
  const long pid = Fork(flags | share_fds_, &pidfd, born_in);
  if (pid == 0) {
    if (init != nullptr) RunInit(*init);
    RunChild(*child);
  }
  if (pid < 0) return Error::Of(ForkStage(pid, born_in), static_cast<int>(-pid));
  launched->process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  return {};
}

Status Launcher::SpawnSharing(const Plan& plan, const LentFds& fds, Launched* launched) {
  Region region;
  if (!regions_.empty()) {
    region = std::move(regions_.back());
    regions_.pop_back();
  }
  const size_t size = kStackSize + ChildImageSize(plan);
  const bool fresh = region.size() < size;
  if (!region.Ensure(size) || (fresh && !region.HideFromForks())) {
    return Error::Last(Stage::memory);
  }
  char* stack = region.Take(kStackSize, 16);
  ChildPlan* child = CopyPlan(plan, &region);
  child->channel = launched->lent[0].get();
  Lend(fds, child);
  child->fresh_time = (plan.namespaces & CLONE_NEWTIME) != 0;

  int pidfd = -1;
  const uint64_t flags = share_fds_ | (plan.namespaces & ~uint64_t{CLONE_NEWTIME});
  const long pid = CloneSharing(flags, EnterChild, child, stack, kStackSize, &pidfd);
  if (pid < 0) return Error::Of(Stage::clone, static_cast<int>(-pid));
  launched->process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  launched->shared = std::move(region);
  return {};
}

Result<Launched> Launcher::Enter(const Plan& plan, const LentFds& fds, int target, uint64_t join) {
  Result<ChannelPair> channel = MakeChannel();
  if (!channel.ok()) return channel.error();
  Result<ChannelPair> control = MakeChannel();
  if (!control.ok()) return control.error();
  Result<ChildPlan*> image = MakeImage(plan, fds);
  if (!image.ok()) return image.error();
  ChildPlan* child = image.value();
  child->channel = channel.value().theirs.get();

  EnterPlan enter;  // on the stack, as all that the fork touches
  enter.init = InitOf(plan, *child, proc_.get());
  enter.init.channel = control.value().theirs.get();
  enter.init.foreign_pids = (join & CLONE_NEWPID) != 0;
  enter.namespaces = join;
  enter.target_pidfd = target;
  enter.with_init = plan.init;
  enter.overflow_uid = overflow_uid_;

  if (!HideHeapFromForks()) return Error::Last(Stage::memory);
  int pidfd = -1;
  const long pid = Fork(0, &pidfd);
  if (pid == 0) RunEnterHelper(&enter);
  image_.Wipe();
  if (pid < 0) return Error::Of(Stage::fork, static_cast<int>(-pid));
  Launched launched;
  launched.waits = plan.waits();
  launched.direct = Launched::Direct::helper;
  launched.process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  launched.channel = std::move(channel.value().ours);
  launched.control = std::move(control.value().ours);
  Adopt(launched.process.pid);
  return launched;
}

void Launcher::Recycle(Region shared) {
  if (!shared) return;
  shared.Rewind();
  if (regions_.size() < kIdleRegions) regions_.push_back(std::move(shared));
}

bool Launcher::Recycle(IdleInit* init, const char* image) {
  if (image == nullptr || image != image_.base() || idle_inits_.full()) return false;
  children_.erase(init->process.pid);
  idle_inits_.Keep(std::move(*init));
  return true;
}

}  // namespace linx
