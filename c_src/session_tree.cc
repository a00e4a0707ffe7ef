#include "session_tree.h"

#include <cerrno>
#include <utility>

namespace linx {

Status SessionTree::MakeLeaf(Leaves& leaves, const CgroupWish& wish) {
  Result<Leaf> made = leaves.Make(wish);
  if (!made.ok()) return made.error();
  leaf_ = std::make_unique<Leaf>(made.Take());
  return {};
}

int SessionTree::AskPausing(CommandName what) {
  if (!pausing_) {
    pausing_ =
        std::make_unique<Pausing>(context_.loop, context_.launcher.proc_fd(), leaf_.get(), events_);
  }
  return pausing_->Ask(what, workload_.tree());
}

int SessionTree::AskStats() {
  if (workload_.host_pid() == 0) return EBUSY;
  ++stats_asked_;
  if (!count_) {
    count_ = std::make_unique<TreeCount>(context_.loop, Handler::To<&SessionTree::OnCounted>(this));
  }
  count_->Start(context_.launcher.proc_fd(), workload_.tree(), workload_.host_pid(), leaf_.get());
  return 0;
}

void SessionTree::OnCounted() {
  SessionStats stats;
  stats.tree = count_->use();
  if (leaf_) stats.tree.cpu_us = leaf_->cpu_us();
  stats.bytes = streams_.bytes();
  for (size_t asked = std::exchange(stats_asked_, 0); asked > 0; --asked) events_.Stats(stats);
}

void SessionTree::Kill() {
  if (leaf_) leaf_->Kill();
  workload_.Kill();
}

void SessionTree::Thaw() {
  if (leaf_) leaf_->Freeze(false);
  if (pausing_) pausing_->Release();
}

void SessionTree::End() {
  pausing_.reset();
  if (!leaf_) return on_gone_();
  leaf_end_ = std::make_unique<LeafEnd>(context_.loop, leaf_.get(), on_gone_);
  leaf_end_->Begin();
}

void SessionTree::Close() {
  pausing_.reset();
  count_.reset();
  leaf_.reset();
}

}  // namespace linx
