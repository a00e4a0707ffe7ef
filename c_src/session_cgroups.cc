#include "session_cgroups.h"

#include <set>
#include <string>
#include <utility>

#include "cgroup_settings.h"

namespace linx {

Status SessionCgroups::Make(Leaves& leaves, const Plan& plan) {
  if (plan.wants_leaf()) {
    Result<Leaf> made = leaves.Make(plan.cgroup);
    if (!made.ok()) return made.error();
    leaf_ = std::make_unique<Leaf>(made.Take());
    const Status set = WriteLeafSettings(*leaf_, plan.cgroup_controls);
    if (!set.ok()) return set;
  }
  return plan.cgroup_controls.version1() ? Make1(leaves, plan.cgroup_controls) : Status();
}

// Controllers may share a hierarchy, and then one cgroup there.
Status SessionCgroups::Make1(Leaves& leaves, const CgroupControls& controls) {
  std::set<Controller> done;
  for (const CgroupControl& control : controls.list) {
    if (!control.controller || !done.insert(*control.controller).second) continue;
    const Result<std::string> parent = leaves.Parent1(*control.controller);
    if (!parent.ok()) return parent.error();
    const Leaf* cgroup = nullptr;
    for (const auto& made : version1_) {
      if (made->path() == parent.value() + "/" + made->name()) cgroup = made.get();
    }
    if (cgroup == nullptr) {
      Result<Leaf> made = leaves.Make1(parent.value());
      if (!made.ok()) return made.error();
      cgroup = version1_.emplace_back(std::make_unique<Leaf>(made.Take())).get();
    }
    const Status written = WriteSettings1(*cgroup, *control.controller, controls);
    if (!written.ok()) return written;
  }
  return {};
}

Status SessionCgroups::Join(int proc_fd, int target_pidfd) {
  Result<TargetCgroups> opened = TargetCgroups::Open(proc_fd, target_pidfd);
  if (!opened.ok()) return opened.error();
  target_ = opened.Take();
  return {};
}

Status SessionCgroups::Place(pid_t pid, Mode mode) {
  // First: what is the session's own counts more.
  const Status joined = std::exchange(target_, {}).Place(pid);
  if (!joined.ok()) return joined;
  if (leaf_ && mode == Mode::enter) {
    const Status placed = leaf_->Place(pid);
    if (!placed.ok()) return placed;
  }
  for (const auto& cgroup : version1_) {
    const Status placed = cgroup->Place(pid);
    if (!placed.ok()) return placed;
  }
  return {};
}

void SessionCgroups::Kill() const {
  if (leaf_) leaf_->Kill();
  for (const auto& cgroup : version1_) cgroup->Kill();
}

void SessionCgroups::Thaw() const {
  if (leaf_) leaf_->Freeze(false);
  for (const auto& cgroup : version1_) cgroup->Freeze(false);
}

void SessionCgroups::End() {
  // One more than there are, so that the last thing done here may be the last of all.
  ending_ = version1_.size() + (leaf_ ? 2 : 1);
  if (leaf_) BeginEnd(leaf_.get());
  for (const auto& cgroup : version1_) BeginEnd(cgroup.get());
  OnOneGone();
}

void SessionCgroups::BeginEnd(Leaf* cgroup) {
  ends_.push_back(
      std::make_unique<LeafEnd>(loop_, cgroup, Handler::To<&SessionCgroups::OnOneGone>(this)));
  ends_.back()->Begin();
}

void SessionCgroups::OnOneGone() {
  if (--ending_ == 0) on_gone_();
}

void SessionCgroups::Close() {
  leaf_.reset();
  version1_.clear();
}

}  // namespace linx
