#include "descendants.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "proc_stat.h"
#include "raw_syscall.h"

namespace linx {
namespace {

// Deeper chains are reached in later passes, as their upper ends die and they are reparented.
constexpr int kMaxDepth = 32;

constexpr char kFreezerRoot[] = "/sys/fs/cgroup/freezer";

struct Pass {
  int proc_fd;
  pid_t self;
  const Spare* spare;
  int number = SIGKILL;
  int max_depth = kMaxDepth;
  int signalled = 0;
};

void KillBelow(Pass* pass, pid_t parent, int parent_dir, int depth);

// Opens, checks and kills one process, then what is below it.
void KillOne(Pass* pass, pid_t pid, pid_t parent, int depth) {
  char path[12];
  path[FormatPid(pid, path)] = '\0';
  // A /proc/PID directory stands for the process, as a pidfd does (pidfd_send_signal(2)).
  const long dir = raw::Call(SYS_openat, pass->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return;
  ProcStat stat;
  if (ReadProcStat(pass->proc_fd, pid, &stat) && (stat.ppid == parent || stat.ppid == pass->self)) {
    if (raw::Call(SYS_pidfd_send_signal, dir, pass->number, nullptr, 0) == 0) ++pass->signalled;
    // In uninterruptible sleep after a SIGKILL: perhaps frozen.
    if (stat.state == 'D') ThawFreezer(pass->proc_fd, pid);
    if (depth < pass->max_depth) KillBelow(pass, pid, static_cast<int>(dir), depth + 1);
  }
  raw::Call(SYS_close, dir);
}

// One thread's children file: pids separated by spaces. The list is taken in chunks; a number cut
// in two at a chunk's end is carried over.
void KillListed(Pass* pass, int children_fd, pid_t parent, int depth) {
  char chunk[256];
  uint32_t pid = 0;
  for (;;) {
    const long n = raw::Call(SYS_read, children_fd, chunk, sizeof(chunk));
    if (n <= 0) return;
    for (long i = 0; i < n; ++i) {
      if (chunk[i] >= '0' && chunk[i] <= '9') {
        pid = pid * 10 + static_cast<uint32_t>(chunk[i] - '0');
        continue;
      }
      const pid_t found = static_cast<pid_t>(pid);
      pid = 0;
      if (found == 0) continue;
      const bool spared = depth == 0 && pass->spare->spared != nullptr &&
                          pass->spare->spared(pass->spare->context, found);
      if (!spared) KillOne(pass, found, parent, depth);
    }
  }
}

// Every thread of a process has children of its own.
void KillBelow(Pass* pass, pid_t parent, int parent_dir, int depth) {
  const long tasks = raw::Call(SYS_openat, parent_dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (tasks < 0) return;
  alignas(8) char entries[512];
  for (;;) {
    const long n = raw::Call(SYS_getdents64, tasks, entries, sizeof(entries));
    if (n <= 0) break;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(entries + at);
      at += entry->d_reclen;
      if (entry->d_name[0] == '.') continue;
      char path[40];
      const size_t length = std::strlen(entry->d_name);
      std::memcpy(path, entry->d_name, length);
      std::memcpy(path + length, "/children", sizeof("/children"));
      const long children = raw::Call(SYS_openat, tasks, path, O_RDONLY | O_CLOEXEC);
      if (children < 0) continue;
      KillListed(pass, static_cast<int>(children), parent, depth);
      raw::Call(SYS_close, children);
    }
  }
  raw::Call(SYS_close, tasks);
}

int Run(Pass pass) {
  const int proc_fd = pass.proc_fd;
  const long self_dir = raw::Call(SYS_openat, proc_fd, "self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self_dir < 0) return 0;
  // The caller's number in this proc, which may belong to an outer pid namespace.
  char number[12];
  const long n = raw::Call(SYS_readlinkat, proc_fd, "self", number, sizeof(number));
  for (long i = 0; i < n; ++i) pass.self = pass.self * 10 + (number[i] - '0');
  KillBelow(&pass, pass.self, static_cast<int>(self_dir), 0);
  raw::Call(SYS_close, self_dir);
  return pass.signalled;
}

}  // namespace

int KillDescendants(int proc_fd, const Spare& spare) { return Run({proc_fd, 0, &spare}); }

void SignalChildren(int proc_fd, int number) {
  const Spare nobody;
  Run({proc_fd, 0, &nobody, number, 0});
}

void ThawFreezer(int proc_fd, pid_t pid) {
  char path[24];
  std::memcpy(path + FormatPid(pid, path), "/cgroup", sizeof("/cgroup"));
  const long fd = raw::Call(SYS_openat, proc_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[4096];
  const long n = raw::Call(SYS_read, fd, text, sizeof(text));
  raw::Call(SYS_close, fd);
  if (n <= 0) return;
  // A line is "hierarchy-id:controllers:/path" (cgroups(7)).
  const std::string_view all(text, static_cast<size_t>(n));
  constexpr std::string_view kMark = ":freezer:/";
  const size_t mark = all.find(kMark);
  if (mark == std::string_view::npos) return;
  const size_t start = mark + kMark.size() - 1;
  const std::string_view group = all.substr(start, all.find('\n', start) - start);
  constexpr std::string_view kRoot(kFreezerRoot), kFile("/freezer.state");
  // The root group cannot be frozen and has no such file.
  char state[4200];
  if (group.size() <= 1 || kRoot.size() + group.size() + kFile.size() >= sizeof(state)) return;
  char* end = state;
  for (const std::string_view part : {kRoot, group, kFile}) {
    std::memcpy(end, part.data(), part.size());
    end += part.size();
  }
  *end = '\0';
  const long out = raw::Call(SYS_openat, AT_FDCWD, state, O_WRONLY | O_CLOEXEC);
  if (out < 0) return;
  raw::Call(SYS_write, out, "THAWED", sizeof("THAWED") - 1);
  raw::Call(SYS_close, out);
}

}  // namespace linx
