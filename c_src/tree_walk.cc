#include "tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "raw_syscall.h"

namespace linx {
namespace {

// What is read of a list at a time: some forty threads, or two hundred children.
constexpr size_t kChunk = 1024;

// The agent's own forks have these names and have never exec'd. What a workload calls itself does
// not matter: below a guard is nothing but its init.
bool IsGuard(const ProcStat& stat) {
  return !stat.execed() && std::strcmp(stat.name, "linx_guard") == 0;
}

}  // namespace

TreeWalk::TreeWalk(int proc_fd, TreeRoot root) : proc_fd_(proc_fd), root_(root) {
  items_.push_back({Item::Kind::process, root.keeper, root.pid, 0, 0});
}

void TreeWalk::Add(const std::vector<pid_t>& pids) {
  // Found after the root's own tree, for that is on top.
  std::vector<Item> items;
  for (const pid_t pid : pids) items.push_back({Item::Kind::process, false, pid, 0, 0});
  items_.insert(items_.begin(), items.begin(), items.end());
}

TreeWalk::Step TreeWalk::Next(Found* out) {
  if (items_.empty() || found_.size() >= kMaxProcesses) return Step::over;
  const Item item = items_.back();
  items_.pop_back();
  switch (item.kind) {
    case Item::Kind::process:
      return Visit(item, out);
    case Item::Kind::threads:
      ListThreads(item);
      break;
    case Item::Kind::children:
      ListChildren(item);
      break;
  }
  return Step::looked;
}

TreeWalk::Step TreeWalk::Visit(const Item& item, Found* out) {
  if (found_.count(item.pid) != 0) return Step::looked;
  UniqueFd dir(
      openat(proc_fd_, std::to_string(item.pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ProcStat stat;
  // Whose number is another's by now is not a child of who was listed as its parent, nor of the
  // root, to which the orphans come.
  if (!dir || !ReadProcStat(proc_fd_, item.pid, &stat)) return Step::looked;
  if (item.other != 0 && stat.ppid != item.other && stat.ppid != root_.pid) return Step::looked;
  found_.insert(item.pid);
  items_.push_back({Item::Kind::threads, item.keeper && IsGuard(stat), item.pid, 0, 0});
  *out = {item.pid, std::move(dir), stat, item.keeper};
  return Step::found;
}

void TreeWalk::ListThreads(Item item) {
  const std::string path = std::to_string(item.pid) + "/task";
  const UniqueFd tasks(openat(proc_fd_, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tasks || (item.offset != 0 && lseek(tasks.get(), item.offset, SEEK_SET) < 0)) return;
  alignas(8) char entries[kChunk];
  const long n = raw::Call(SYS_getdents64, tasks.get(), entries, sizeof(entries));
  if (n <= 0) return;
  std::vector<Item> lists;
  for (long at = 0; at < n;) {
    const auto* entry = reinterpret_cast<const struct dirent64*>(entries + at);
    at += entry->d_reclen;
    item.offset = entry->d_off;
    if (entry->d_name[0] == '.') continue;
    lists.push_back({Item::Kind::children, item.keeper, item.pid,
                     static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10)), 0});
  }
  items_.push_back(item);
  items_.insert(items_.end(), lists.begin(), lists.end());
}

void TreeWalk::ListChildren(Item item) {
  char path[64];
  std::snprintf(path, sizeof(path), "%d/task/%d/children", item.pid, item.other);
  const UniqueFd list(openat(proc_fd_, path, O_RDONLY | O_CLOEXEC));
  char text[kChunk + 1];
  const ssize_t n = list ? pread(list.get(), text, kChunk, item.offset) : 0;
  if (n <= 0) return;
  text[n] = '\0';
  // Each number is followed by a space; one that the chunk cuts in two belongs to the next.
  const char* end = std::strrchr(text, ' ');
  if (end == nullptr) return;
  const Item rest = {item.kind, item.keeper, item.pid, item.other, item.offset + (end + 1 - text)};
  items_.push_back(rest);
  for (char* at = text; at < end;) {
    const auto child = static_cast<pid_t>(std::strtol(at, &at, 10));
    if (child <= 0) break;
    items_.push_back({Item::Kind::process, item.keeper, child, item.pid, 0});
  }
}

}  // namespace linx
