#include "cgroup_removal.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "cgroup_members.h"
#include "raw_syscall.h"

namespace linx {
namespace {

UniqueFd OpenDirectory(int at, const char* name) {
  return UniqueFd(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Any of the directories in `directory`; empty where there is none.
std::string FirstBelow(int directory) {
  if (lseek(directory, 0, SEEK_SET) < 0) return {};
  alignas(8) char entries[4096];
  long n;
  while ((n = raw::Call(SYS_getdents64, directory, entries, sizeof(entries))) > 0) {
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(entries + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (entry->d_type == DT_DIR && name != "." && name != "..") return std::string(name);
    }
  }
  return {};
}

}  // namespace

CgroupRemoval::CgroupRemoval(int parent, std::string name) : parent_(parent) {
  path_.push_back(std::move(name));
}

CgroupRemoval::State CgroupRemoval::Remove(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const State state = RemoveOne();
    if (state != State::more) return state;
  }
  return State::more;
}

bool CgroupRemoval::KillMembers() const { return at_ && linx::KillMembers(at_.get()) > 0; }

// Down into any cgroup below until there is none, and up again by removing it.
CgroupRemoval::State CgroupRemoval::RemoveOne() {
  const bool top = path_.size() == 1;
  UniqueFd above = top ? UniqueFd() : OpenDirectory(at_.get(), "..");
  if (!top && !above) {
    // Somebody else has removed the one that is looked at.
    path_.resize(1);
    at_.Reset();
    return State::more;
  }
  const std::string& name = path_.back();
  if (unlinkat(top ? parent_ : above.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    if (top) return State::gone;
    path_.pop_back();
    at_ = std::move(above);
    return State::more;
  }
  if (errno != EBUSY) return State::failed;
  if (!at_) at_ = OpenDirectory(parent_, name.c_str());
  if (!at_) return errno == ENOENT ? State::gone : State::failed;
  std::string below = FirstBelow(at_.get());
  if (below.empty()) return State::busy;
  UniqueFd next = OpenDirectory(at_.get(), below.c_str());
  if (!next) return errno == ENOENT ? State::more : State::failed;
  at_ = std::move(next);
  path_.push_back(std::move(below));
  return State::more;
}

}  // namespace linx
