#include "leaf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "cgroup_members.h"

namespace linx {
namespace {

constexpr size_t kReadBytes = 64u << 10;

UniqueFd OpenDirectory(int at, const std::string& name) {
  return MoveHigh(UniqueFd(openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

}  // namespace

Result<Leaf> Leaf::Make(const std::string& path, std::string name, CgroupVersion version) {
  Leaf leaf;
  leaf.version_ = version;
  UniqueFd parent = OpenDirectory(AT_FDCWD, path);
  if (!parent) return Error::Last(Stage::cgroup_open, path);
  leaf.name_ = std::move(name);
  leaf.path_ = path + "/" + leaf.name_;
  if (mkdirat(parent.get(), leaf.name_.c_str(), 0755) < 0) {
    return Error::Last(Stage::cgroup_mkdir, leaf.path_);
  }
  leaf.parent_ = std::move(parent);
  leaf.directory_ = OpenDirectory(leaf.parent_.get(), leaf.name_);
  if (!leaf.directory_) return Error::Last(Stage::cgroup_open, leaf.path_);
  if (version == CgroupVersion::one) return leaf;
  // Linux 5.14 and later.
  leaf.kills_all_ = faccessat(leaf.fd(), "cgroup.kill", F_OK, 0) == 0;
  // What is no cgroup has neither.
  if (!leaf.kills_all_ && !UniqueFd(openat(leaf.fd(), "cgroup.procs", O_RDONLY | O_CLOEXEC))) {
    return Error::Last(Stage::cgroup_open, leaf.path_ + "/cgroup.procs");
  }
  return leaf;
}

Leaf::~Leaf() {
  if (parent_) unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR);
}

bool Leaf::Write(const char* file, const std::string& text) const {
  const UniqueFd out(openat(fd(), file, O_WRONLY | O_CLOEXEC));
  return out && write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

int Leaf::events_fd() const {
  if (!events_ && version_ == CgroupVersion::two) {
    events_ = MoveHigh(UniqueFd(openat(fd(), "cgroup.events", O_RDONLY | O_NONBLOCK | O_CLOEXEC)));
  }
  return events_.get();
}

Status Leaf::Place(pid_t pid) const {
  if (!AddMember(fd(), pid)) return Error::Last(Stage::cgroup_procs, path_);
  return {};
}

void Leaf::Kill() const {
  if (kills_all_) {
    Write("cgroup.kill", "1");
    return;
  }
  // In version 2 who is frozen dies all the same, and forks no more.
  if (version_ == CgroupVersion::two) Freeze(true);
  KillMembers(fd());
}

void Leaf::Freeze(bool frozen) const {
  if (version_ == CgroupVersion::one) {
    Write("freezer.state", frozen ? "FROZEN" : "THAWED");
  } else {
    Write("cgroup.freeze", frozen ? "1" : "0");
  }
}

bool Leaf::populated() const { return kills_all_ ? Has("populated 1") : !members().empty(); }

// What one read gives: some thousands of pids.
std::string Leaf::Read(const char* file) const {
  const UniqueFd in(openat(fd(), file, O_RDONLY | O_CLOEXEC));
  std::string text(kReadBytes, '\0');
  const ssize_t n = in ? read(in.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

uint64_t Leaf::cpu_us() const {
  const std::string stat = Read("cpu.stat");
  constexpr std::string_view kKey = "usage_usec ";
  const size_t at = stat.find(kKey);
  return at == std::string::npos ? 0 : std::strtoull(&stat[at + kKey.size()], nullptr, 10);
}

std::vector<pid_t> Leaf::members() const { return MembersOf(fd()); }

bool Leaf::Has(const char* event) const {
  char text[256];
  const ssize_t n = pread(events_fd(), text, sizeof(text), 0);
  return n > 0 &&
         std::string_view(text, static_cast<size_t>(n)).find(event) != std::string_view::npos;
}

}  // namespace linx
