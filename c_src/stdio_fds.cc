#include "stdio_fds.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace linx {
namespace {

Result<UniqueFd> OpenDevNull() {
  UniqueFd fd(open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!fd) return Error::Last(Stage::dev_null, "/dev/null");
  return fd;
}

// Non-blocking only for the connect: the workload expects a stream that blocks.
Result<UniqueFd> ConnectUnix(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error::Of(Stage::connect_unix, ENAMETOOLONG, path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::Last(Stage::connect_unix, path);
  if (connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) < 0) {
    return Error::Last(Stage::connect_unix, path);
  }
  if (fcntl(fd.get(), F_SETFL, 0) < 0) return Error::Last(Stage::connect_unix, path);
  return fd;
}

}  // namespace

Status OpenStdio(const std::array<Stdio, 3>& wanted, StdioFds* fds) {
  for (; fds->done < wanted.size(); ++fds->done) {
    const Stdio& stdio = wanted[fds->done];
    if (stdio.kind >= StdioKind::pipe) return Error::Of(Stage::pipe2, ENOSYS);
    if (stdio.kind != StdioKind::devnull && stdio.kind != StdioKind::connect_unix) continue;
    Result<UniqueFd> opened =
        stdio.kind == StdioKind::devnull ? OpenDevNull() : ConnectUnix(stdio.path);
    if (!opened.ok()) return opened.error();
    fds->fd[fds->done] = opened.Take();
  }
  return {};
}

}  // namespace linx
