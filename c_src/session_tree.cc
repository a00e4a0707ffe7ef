#include "session_tree.h"

#include <cerrno>
#include <utility>

namespace linx {

int SessionTree::AskPausing(CommandName what) {
  if (!pausing_) {
    pausing_ = std::make_unique<Pausing>(context_.loop, context_.launcher.proc_fd(),
                                         cgroups_.leaf(), events_);
  }
  return pausing_->Ask(what, workload_.tree());
}

int SessionTree::AskStats() {
  if (workload_.tree().pid == 0) return EBUSY;
  ++stats_asked_;
  if (!count_) {
    count_ = std::make_unique<TreeCount>(context_.loop, Handler::To<&SessionTree::OnCounted>(this));
  }
  count_->Start(context_.launcher.proc_fd(), workload_.tree(), workload_.host_pid(),
                cgroups_.leaf());
  return 0;
}

void SessionTree::OnCounted() {
  SessionStats stats;
  stats.tree = count_->use();
  if (const Leaf* leaf = cgroups_.leaf()) stats.tree.cpu_us = leaf->cpu_us();
  stats.bytes = streams_.bytes();
  for (size_t asked = std::exchange(stats_asked_, 0); asked > 0; --asked) events_.Stats(stats);
}

void SessionTree::Kill() {
  cgroups_.Kill();
  workload_.Kill();
}

void SessionTree::Thaw() {
  cgroups_.Thaw();
  if (pausing_) pausing_->Release();
}

void SessionTree::End() {
  pausing_.reset();
  cgroups_.End();
}

void SessionTree::Close() {
  pausing_.reset();
  count_.reset();
  cgroups_.Close();
}

}  // namespace linx
