#include "tree_pause.h"

#include <fcntl.h>
#include <signal.h>

#include <string>

#include "proc_stat.h"
#include "raw_syscall.h"
#include "usage.h"

namespace linx {
namespace {

constexpr int kStepsPerTurn = 128;
// From one pass to the next, in which signals that were sent take effect.
constexpr uint32_t kPassMs = 1;
constexpr uint64_t kGiveUpUs = 5'000'000;

// One that sleeps uninterruptibly stops before it gets back to its program.
bool IsStill(char state) { return state == 'T' || state == 't' || state == 'D'; }

}  // namespace

TreePause::~TreePause() {
  while (!held_.empty()) LetGoOne();
}

void TreePause::Stop(TreeRoot root) {
  root_ = root;
  deadline_us_ = MonotonicUs() + kGiveUpUs;
  BeginPass();
}

void TreePause::BeginPass() {
  met_ = false;
  walk_.emplace(proc_fd_, root_);
  Pass();
}

void TreePause::Pass() {
  for (int i = 0; i < kStepsPerTurn; ++i) {
    TreeWalk::Found found;
    switch (walk_->Next(&found)) {
      case TreeWalk::Step::found:
        Meet(found);
        break;
      case TreeWalk::Step::looked:
        break;
      case TreeWalk::Step::over:
        return EndPass();
    }
  }
  timer_ = loop_.After(0, Handler::To<&TreePause::Pass>(this));
}

void TreePause::Meet(const TreeWalk::Found& found) {
  const char state = found.stat.state;
  if (found.keeper || state == 'Z' || state == 'X') return;
  const auto known = starts_.find(found.pid);
  const bool held = known != starts_.end() && known->second == found.stat.start_ticks;
  if (held ? IsStill(state) : state == 'T' || state == 't') return;
  met_ = true;
  if (raw::Call(SYS_pidfd_send_signal, found.dir.get(), SIGSTOP, nullptr, 0) != 0 || held) return;
  held_.push_back({found.pid, found.stat.start_ticks});
  starts_[found.pid] = found.stat.start_ticks;
}

void TreePause::EndPass() {
  walk_.reset();
  if (!met_) {
    stopped_ = true;
    return on_done_();
  }
  if (MonotonicUs() > deadline_us_) return Continue();
  timer_ = loop_.After(kPassMs, Handler::To<&TreePause::BeginPass>(this));
}

void TreePause::Continue() {
  stopped_ = false;
  walk_.reset();
  starts_.clear();
  LetGo();
}

void TreePause::LetGo() {
  for (int i = 0; i < kStepsPerTurn && !held_.empty(); ++i) LetGoOne();
  if (held_.empty()) {
    timer_.Reset();
    return on_done_();
  }
  timer_ = loop_.After(0, Handler::To<&TreePause::LetGo>(this));
}

void TreePause::LetGoOne() {
  const Held held = held_.back();
  held_.pop_back();
  const std::string path = std::to_string(held.pid);
  const UniqueFd dir(openat(proc_fd_, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ProcStat stat;
  if (!dir || !ReadProcStat(proc_fd_, held.pid, &stat)) return;
  if (stat.start_ticks != held.start_ticks) return;
  raw::Call(SYS_pidfd_send_signal, dir.get(), SIGCONT, nullptr, 0);
}

}  // namespace linx
