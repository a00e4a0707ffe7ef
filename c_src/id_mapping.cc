#include "id_mapping.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>

#include "capabilities.h"
#include "pidfd.h"

namespace linx {
namespace {

// The signal is sent after the directory is open: the pid was not free in between, so that the
// directory is this process's for good.
Result<UniqueFd> OpenDirectory(int proc_fd, pid_t pid, int pidfd) {
  UniqueFd directory(
      openat(proc_fd, std::to_string(pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (SendSignal(pidfd, 0) < 0) return Error::Of(Stage::open_proc, ESRCH);
  if (!directory) return Error::Last(Stage::open_proc);
  return MoveHigh(std::move(directory));
}

// user_namespaces(7): all that its maker may map without a capability.
bool IsOwnId(const std::vector<IdRange>& map, uint32_t own) {
  return map.size() == 1 && map[0].length == 1 && map[0].outside == own;
}

// One write(2), since the kernel takes a map whole or not at all.
Status WriteFile(int directory, Stage stage, const std::string& text) {
  const UniqueFd file(openat(directory, Name(stage).data(), O_WRONLY | O_CLOEXEC));
  // The files of a process that is reaped are not there any more.
  if (!file && errno == ENOENT) errno = ESRCH;
  if (!file || write(file.get(), text.data(), text.size()) < 0) return Error::Last(stage, text);
  return {};
}

}  // namespace

void IdMapping::Start(const IdMaps& maps, int pidfd, pid_t pid) {
  pid_ = pid;
  ListWrites(maps);
  Result<UniqueFd> opened = OpenDirectory(context_.launcher.proc_fd(), pid, pidfd);
  if (opened.ok()) {
    directory_ = opened.Take();
  } else {
    outcome_ = Error::Of(writes_.front().stage, opened.error().code, writes_.front().text);
  }
  Go();
}

void IdMapping::ListWrites(const IdMaps& maps) {
  const MapPrograms& programs = context_.launcher.map_programs();
  const bool own_gid = !HasEffective(CAP_SETGID) && IsOwnId(maps.gids, getegid());
  if (maps.setgroups || own_gid) {
    writes_.push_back({Stage::setgroups, maps.setgroups.value_or(false) ? "allow" : "deny"});
  }
  if (!maps.gids.empty()) {
    const bool ours = own_gid || HasEffective(CAP_SETGID);
    writes_.push_back({Stage::gid_map, MapText(maps.gids), ours ? nullptr : programs.gids});
  }
  if (!maps.uids.empty()) {
    const bool ours = HasEffective(CAP_SETUID) || IsOwnId(maps.uids, geteuid());
    writes_.push_back({Stage::uid_map, MapText(maps.uids), ours ? nullptr : programs.uids});
  }
}

void IdMapping::Go() {
  while (outcome_.ok() && !writes_.empty()) {
    const Write& write = writes_.front();
    if (write.program != nullptr) return Run(write, false);
    outcome_ = WriteFile(directory_.get(), write.stage, write.text);
    writes_.pop_front();
  }
  on_end_();
}

void IdMapping::Run(const Write& write, bool by_pid) {
  by_pid_ = by_pid;
  std::vector<std::string> argv{write.program, by_pid ? std::to_string(pid_) : "fd:0"};
  std::istringstream numbers(write.text);
  for (std::string number; numbers >> number;) argv.push_back(number);
  program_ = std::make_unique<MapProgram>(context_, write.stage,
                                          Handler::To<&IdMapping::OnProgramEnd>(this));
  program_->Start(std::move(argv), directory_.get());
}

void IdMapping::OnProgramEnd() {
  outcome_ = program_->outcome();
  program_.reset();
  if (!outcome_.ok() && !by_pid_ && outcome_.error().detail.rfind("usage:", 0) == 0) {
    outcome_ = {};
    return Run(writes_.front(), true);
  }
  writes_.pop_front();
  Go();
}

}  // namespace linx
