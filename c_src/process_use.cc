#include "process_use.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "unique_fd.h"

namespace linx {
namespace {

uint64_t CountFds(int proc_fd) {
  UniqueFd fd(openat(proc_fd, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* directory = fd ? fdopendir(fd.get()) : nullptr;
  if (directory == nullptr) return 0;
  fd.Release();  // closedir closes it
  uint64_t count = 0;
  while (const struct dirent* entry = readdir(directory)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(directory);
  return count - 1;  // the one that lists them
}

// The second field of statm, in pages (proc_pid_statm(5)).
uint64_t ReadResident(int proc_fd) {
  const UniqueFd fd(openat(proc_fd, "self/statm", O_RDONLY | O_CLOEXEC));
  char text[128] = {};
  if (!fd || read(fd.get(), text, sizeof(text) - 1) <= 0) return 0;
  const char* second = std::strchr(text, ' ');
  if (second == nullptr) return 0;
  return std::strtoull(second, nullptr, 10) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

ProcessUse ReadProcessUse(int proc_fd) { return {CountFds(proc_fd), ReadResident(proc_fd)}; }

}  // namespace linx
