#include "tree_count.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "raw_syscall.h"

namespace linx {
namespace {

// What is looked at in one turn: some hundreds of microseconds.
constexpr int kStepsPerTurn = 128;

// Where the kernel does not tell the number they are counted one by one, up to this many.
constexpr uint64_t kMaxFdsCounted = 1 << 16;

uint64_t CountFds(int process_dir) {
  const UniqueFd fds(openat(process_dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status;
  if (!fds || fstat(fds.get(), &status) < 0) return 0;
  // Linux 6.2 and later.
  if (status.st_size > 0) return static_cast<uint64_t>(status.st_size);
  uint64_t count = 0;
  alignas(8) char entries[4096];
  long n;
  while (count < kMaxFdsCounted &&
         (n = raw::Call(SYS_getdents64, fds.get(), entries, sizeof(entries))) > 0) {
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(entries + at);
      at += entry->d_reclen;
      count += entry->d_name[0] != '.' ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

void TreeCount::Start(int proc_fd, TreeRoot root, pid_t workload, const Leaf* leaf) {
  if (walk_) return;
  walk_.emplace(proc_fd, root);
  if (leaf != nullptr) walk_->Add(leaf->members());
  workload_ = workload;
  use_ = {};
  GoOn();
}

void TreeCount::GoOn() {
  for (int i = 0; i < kStepsPerTurn; ++i) {
    TreeWalk::Found found;
    switch (walk_->Next(&found)) {
      case TreeWalk::Step::found:
        Add(found);
        break;
      case TreeWalk::Step::looked:
        break;
      case TreeWalk::Step::over:
        walk_.reset();
        return on_done_();
    }
  }
  timer_ = loop_.After(0, Handler::To<&TreeCount::GoOn>(this));
}

// An init's work is not the session's, and what it reaped may have been another session's.
void TreeCount::Add(const TreeWalk::Found& found) {
  static const auto kTickUs = 1'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  static const auto kPageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (found.keeper) return;
  use_.cpu_us += (found.stat.cpu_ticks + found.stat.children_ticks) * kTickUs;
  use_.resident_bytes += found.stat.resident_pages * kPageBytes;
  if (found.stat.state != 'Z' && found.stat.state != 'X') ++use_.processes;
  if (found.pid == workload_) use_.fds = CountFds(found.dir.get());
}

}  // namespace linx
