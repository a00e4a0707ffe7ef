#include "leaf_parents.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "cgroup_members.h"
#include "cgroup_removal.h"
#include "proc_stat.h"
#include "unique_fd.h"

namespace linx {
namespace {

// The pid in a leaf's name; 0 where it is not one.
pid_t OwnerOf(const char* name) {
  int pid = 0;
  unsigned long long number = 0;
  int end = 0;
  if (std::sscanf(name, "linx-%d-%llu%n", &pid, &number, &end) != 2) return 0;
  return name[end] == '\0' && pid > 0 ? pid : 0;
}

bool IsPopulated(int at, const std::string& name) {
  const UniqueFd directory(openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return false;
  const UniqueFd events(openat(directory.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  // Version 1 tells nothing of the cgroups below.
  if (!events) return !MembersOf(directory.get()).empty();
  char text[256];
  const ssize_t n = read(events.get(), text, sizeof(text));
  return n > 0 && std::string_view(text, static_cast<size_t>(n)).find("populated 1") !=
                      std::string_view::npos;
}

// Removes the leaves in `path` whose owner is wanted and in which nobody is. False where somebody
// is.
template <typename Wanted>
bool RemoveLeaves(const char* path, Wanted wanted) {
  UniqueFd directory(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* list = directory ? fdopendir(directory.get()) : nullptr;
  if (list == nullptr) return true;
  const int at = directory.Release();  // closedir closes it
  std::vector<std::string> leaves;
  while (const struct dirent* entry = readdir(list)) {
    const pid_t owner = OwnerOf(entry->d_name);
    if (owner != 0 && wanted(owner)) leaves.emplace_back(entry->d_name);
  }
  bool empty = true;
  for (std::string& name : leaves) {
    if (IsPopulated(at, name)) {
      empty = false;
      continue;
    }
    CgroupRemoval removal(at, std::move(name));
    CgroupRemoval::State state;
    do {
      state = removal.Remove(64);
    } while (state == CgroupRemoval::State::more);
    if (state == CgroupRemoval::State::busy) empty = false;
  }
  closedir(list);
  return empty;
}

}  // namespace

LeafParents* LeafParents::Create() {
  void* at =
      mmap(nullptr, sizeof(LeafParents), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // Zero pages are an empty table.
  return at == MAP_FAILED ? nullptr : static_cast<LeafParents*>(at);
}

bool LeafParents::Has(const std::string& path) const {
  for (size_t i = 0; i < count_.load(std::memory_order_acquire); ++i) {
    if (path == paths_[i]) return true;
  }
  return false;
}

bool LeafParents::Add(const std::string& path) {
  if (Has(path)) return true;
  const size_t count = count_.load(std::memory_order_relaxed);
  if (count == kSize || path.size() >= kMaxPath) return false;
  std::memcpy(paths_[count], path.c_str(), path.size() + 1);
  count_.store(count + 1, std::memory_order_release);
  return true;
}

bool LeafParents::RemoveLeavesOf(pid_t agent) const {
  bool empty = true;
  for (size_t i = 0; i < count_.load(std::memory_order_acquire); ++i) {
    empty &= RemoveLeaves(paths_[i], [agent](pid_t owner) { return owner == agent; });
  }
  return empty;
}

std::string LeafName(pid_t agent, uint64_t number) {
  return "linx-" + std::to_string(agent) + "-" + std::to_string(number);
}

void RemoveStaleLeaves(const std::string& path) {
  const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return;
  RemoveLeaves(path.c_str(), [&proc](pid_t owner) {
    ProcStat stat;
    // One that nobody has reaped is dead as well.
    return !ReadProcStat(proc.get(), owner, &stat) || stat.state == 'Z' || stat.state == 'X';
  });
}

}  // namespace linx
