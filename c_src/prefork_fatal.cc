#include "prefork_fatal.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace linx {

void PreforkFatal(const std::string& text) {
  std::fprintf(stderr, "linx-prefork: %s\n", text.c_str());
  // Not exit(3): this may be a fork, whose parent's buffers are not its own to write.
  _exit(kPreforkFailed);
}

void PreforkFatalErrno(const std::string& text) {
  PreforkFatal(text + ": " + std::strerror(errno));
}

}  // namespace linx
