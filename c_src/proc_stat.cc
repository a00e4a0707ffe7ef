#include "proc_stat.h"

#include <fcntl.h>

#include <cstring>

#include "raw_syscall.h"

namespace linx {
namespace {

// Reads a whole small file; returns its bytes, 0 where it cannot be read.
size_t ReadSmall(int dir_fd, const char* path, char* buffer, size_t size) {
  const long fd = raw::Call(SYS_openat, dir_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const long n = raw::Call(SYS_read, fd, buffer, size);
  raw::Call(SYS_close, fd);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

bool TakeNumber(std::string_view* text, uint64_t* out) {
  while (!text->empty() && text->front() == ' ') text->remove_prefix(1);
  const bool negative = !text->empty() && text->front() == '-';
  if (negative) text->remove_prefix(1);
  if (text->empty() || text->front() < '0' || text->front() > '9') return false;
  uint64_t value = 0;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    value = value * 10 + static_cast<uint64_t>(text->front() - '0');
    text->remove_prefix(1);
  }
  *out = negative ? 0 - value : value;
  return true;
}

}  // namespace

bool ParseProcStat(std::string_view text, ProcStat* out) {
  // The second field is the name in parentheses and may hold anything, parentheses included.
  const size_t close = text.rfind(')');
  if (close == std::string_view::npos || close + 3 >= text.size()) return false;
  const size_t open = text.find('(');
  if (open >= close) return false;
  const std::string_view name = text.substr(open + 1, close - open - 1);
  out->name[name.copy(out->name, sizeof(out->name) - 1)] = '\0';
  text.remove_prefix(close + 2);
  out->state = text.front();
  text.remove_prefix(1);
  // The fields from ppid, which is the 4th, to rss, the 24th.
  uint64_t field[25] = {};
  for (size_t i = 4; i < 25; ++i) {
    if (!TakeNumber(&text, &field[i]) && i <= 9) return false;
  }
  out->ppid = static_cast<pid_t>(field[4]);
  out->flags = static_cast<uint32_t>(field[9]);
  out->cpu_ticks = field[14] + field[15];
  out->children_ticks = field[16] + field[17];
  out->start_ticks = field[22];
  out->resident_pages = field[24];
  return true;
}

size_t FormatPid(pid_t pid, char* out) {
  char digits[11];
  size_t n = 0;
  uint32_t value = static_cast<uint32_t>(pid);
  do {
    digits[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (size_t i = 0; i < n; ++i) out[i] = digits[n - 1 - i];
  return n;
}

bool ReadProcStat(int proc_fd, pid_t pid, ProcStat* out) {
  char path[24];
  std::memcpy(path + FormatPid(pid, path), "/stat", sizeof("/stat"));
  char text[512];
  const size_t n = ReadSmall(proc_fd, path, text, sizeof(text));
  return n > 0 && ParseProcStat(std::string_view(text, n), out);
}

pid_t PidOf(int proc_fd, int pidfd) {
  char path[40] = "self/fdinfo/";
  path[std::strlen(path) + FormatPid(pidfd, path + std::strlen("self/fdinfo/"))] = '\0';
  char text[512];
  const size_t n = ReadSmall(proc_fd, path, text, sizeof(text));
  const std::string_view info(text, n);
  // "Pid:" holds -1 for a process that is gone and 0 for one outside this proc's pid namespace.
  const size_t at = info.find("Pid:");
  if (at == std::string_view::npos) return 0;
  std::string_view rest = info.substr(at + 4);
  if (!rest.empty() && rest.front() == '\t') rest.remove_prefix(1);
  uint64_t pid = 0;
  if (!TakeNumber(&rest, &pid)) return 0;
  return static_cast<pid_t>(pid) > 0 ? static_cast<pid_t>(pid) : 0;
}

bool LosesSignal(int proc_fd, pid_t pid, int signal) {
  char path[24];
  std::memcpy(path + FormatPid(pid, path), "/status", sizeof("/status"));
  char text[4096];
  const std::string_view status(text, ReadSmall(proc_fd, path, text, sizeof(text)));
  // "NSpid:" lists its numbers from the outermost namespace to its own.
  const size_t pids = status.find("\nNSpid:");
  const size_t caught = status.find("\nSigCgt:\t");
  if (pids == std::string_view::npos || caught == std::string_view::npos) return false;
  const std::string_view line = status.substr(pids, status.find('\n', pids + 1) - pids);
  if (line.size() < 2 || line.substr(line.size() - 2) != "\t1") return false;
  uint64_t mask = 0;
  for (size_t i = caught + 9; i < status.size() && status[i] != '\n'; ++i) {
    const char c = status[i];
    mask = mask << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return (mask >> (signal - 1) & 1) == 0;
}

}  // namespace linx
