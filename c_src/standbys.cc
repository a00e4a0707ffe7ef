#include "standbys.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "clone.h"
#include "nursery.h"
#include "pidfd.h"
#include "private_heap.h"
#include "reports.h"

namespace linx {
namespace {

// What a nursery needs at most to say what it has made. One that is stopped does not say it.
constexpr int kOrderMs = 100;

// How it ended, which may have been by itself before.
siginfo_t KillAndReap(const Offspring& process) {
  SendSignal(process.pidfd.get(), SIGKILL);
  struct pollfd end = {process.pidfd.get(), POLLIN, 0};
  poll(&end, 1, -1);
  siginfo_t info = {};
  WaitFor(process.pidfd.get(), &info, 0);
  return info;
}

// The child that was made; none where none is yet, or `*gone`.
std::optional<Offspring> NextChild(int control, bool* gone) {
  Report report;
  Offspring child;
  const Got got = ReceiveReport(control, &report, &child.pidfd);
  *gone = got == Got::closed;
  if (got != Got::message || !child.pidfd) return std::nullopt;
  child.pid = report.pid;
  return child;
}

}  // namespace

Standbys::~Standbys() {
  while (!nurseries_.empty()) End(nurseries_.begin());
}

std::optional<Standby> Standbys::Take(const char* base) {
  for (auto nursery = nurseries_.begin(); nursery != nurseries_.end();) {
    if (nursery->lent) {
      ++nursery;
      continue;
    }
    bool gone = nursery->base != base;
    std::optional<Offspring> child;
    if (!gone && nursery->channel) child = NextChild(nursery->control.get(), &gone);
    if (child) {
      nursery->lent = true;
      return Standby{std::move(*child), std::move(nursery->channel), nursery->process.pid};
    }
    nursery = gone ? End(nursery) : std::next(nursery);
  }
  due_ = true;
  return std::nullopt;
}

void Standbys::Return(pid_t pid, bool spent) {
  const auto nursery = Find(pid);
  if (nursery == nurseries_.end() || !nursery->lent) return;
  const auto lent = std::count_if(nurseries_.begin(), nurseries_.end(),
                                  [](const Nursery& one) { return one.lent; });
  nursery->lent = false;
  nursery->used = true;
  due_ = true;
  const size_t idle = nurseries_.size() - static_cast<size_t>(lent) + 1;
  if (spent || idle > kMaxIdle) End(nursery);
}

void Standbys::Tend(const PlanImage& image) {
  due_ = false;
  Prepare(image);
  for (Nursery& nursery : nurseries_) {
    if (!nursery.lent && nursery.used) Say(&nursery, -1);
  }
}

void Standbys::Prepare(const PlanImage& image) {
  auto idle = nurseries_.end();
  for (auto nursery = nurseries_.begin(); nursery != nurseries_.end(); ++nursery) {
    if (nursery->lent || nursery->base != image.base) continue;
    if (nursery->channel) return;
    idle = nursery;
  }
  if (idle == nurseries_.end()) {
    if (useless_ || nurseries_.size() == kMax || !Make(image)) return;
    idle = std::prev(nurseries_.end());
  }
  if (!Order(&*idle)) End(idle);
}

bool Standbys::Make(const PlanImage& image) {
  Result<ChannelPair> control = MakeChannel();
  if (!control.ok() || !HideHeapFromForks()) return false;
  int pidfd = -1;
  const long pid = Fork(0, &pidfd);
  if (pid == 0) RunNursery(control.value().theirs.get(), image);
  if (pid < 0) return false;
  Nursery nursery;
  nursery.process = {MoveHigh(UniqueFd(pidfd)), static_cast<pid_t>(pid)};
  nursery.control = std::move(control.value().ours);
  nursery.base = image.base;
  nurseries_.push_back(std::move(nursery));
  return true;
}

// False where the nursery is dead.
bool Standbys::Order(Nursery* nursery) {
  Result<ChannelPair> channel = MakeChannel();
  if (!channel.ok()) return true;
  const bool said = Say(nursery, channel.value().theirs.get());
  if (said) nursery->channel = std::move(channel.value().ours);
  return said;
}

bool Standbys::Say(Nursery* nursery, int fd) {
  nursery->used = false;
  const char byte = 0;
  return SendRecord(nursery->control.get(), &byte, sizeof(byte), fd, MSG_DONTWAIT) == 0;
}

bool Standbys::Has(pid_t pid) const {
  return std::any_of(nurseries_.begin(), nurseries_.end(),
                     [pid](const Nursery& nursery) { return nursery.process.pid == pid; });
}

Standbys::Nurseries::iterator Standbys::Find(pid_t pid) {
  return std::find_if(nurseries_.begin(), nurseries_.end(),
                      [pid](const Nursery& nursery) { return nursery.process.pid == pid; });
}

void Standbys::Bury(pid_t pid) {
  const auto dead = Find(pid);
  if (dead != nurseries_.end() && HasExited(dead->process.pidfd.get())) End(dead);
}

// With the child that waits in it, if it says that there is one.
Standbys::Nurseries::iterator Standbys::End(Nurseries::iterator nursery) {
  const int control = nursery->control.get();
  if (nursery->channel) {
    struct pollfd said = {control, POLLIN, 0};
    poll(&said, 1, kOrderMs);
  }
  const siginfo_t info = KillAndReap(nursery->process);
  useless_ = useless_ || (info.si_code == CLD_EXITED && info.si_status == kNotReached);
  bool gone = false;
  while (!gone) {
    if (const auto child = NextChild(control, &gone)) KillAndReap(*child);
  }
  return nurseries_.erase(nursery);
}

}  // namespace linx
