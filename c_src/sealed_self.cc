#include "sealed_self.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "unique_fd.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3
#endif

namespace linx {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr char kName[] = "linx_process";

int OpenMemory() {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = memfd_create(kName, flags | MFD_EXEC);
  return fd < 0 && errno == EINVAL ? memfd_create(kName, flags) : fd;
}

bool Copy(int from, int to) {
  struct stat file;
  if (fstat(from, &file) < 0) return false;
  for (off_t left = file.st_size; left > 0;) {
    const ssize_t n = sendfile(to, from, nullptr, static_cast<size_t>(left));
    if (n <= 0) return false;
    left -= n;
  }
  return true;
}

}  // namespace

bool RunsSealed() {
  const UniqueFd self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  return self && fcntl(self.get(), F_GET_SEALS) == kSeals;
}

void ExecSealed(char* const* argv) {
  const UniqueFd self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const UniqueFd copy(OpenMemory());
  if (!self || !copy || !Copy(self.get(), copy.get())) return;
  if (fcntl(copy.get(), F_ADD_SEALS, kSeals) < 0) return;
  fexecve(copy.get(), argv, environ);
}

}  // namespace linx
