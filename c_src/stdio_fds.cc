#include "stdio_fds.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace linx {
namespace {

constexpr const char* kNames[] = {"stdin", "stdout", "stderr"};

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

// Never waits: not for the other end of a fifo, nor for a modem. A directory of the host would let
// an isolated workload out.
Result<UniqueFd> OpenFile(const std::string& path, FileMode mode) {
  constexpr int kModes[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND};
  const int flags = kModes[static_cast<size_t>(mode)] | O_CLOEXEC | O_NOCTTY;
  UniqueFd fd(open(path.c_str(), flags | O_NONBLOCK, 0600));
  struct stat file;
  if (!fd || fstat(fd.get(), &file) < 0) return Error::Last(Stage::open_file, path);
  if (S_ISDIR(file.st_mode)) return Error::Of(Stage::open_file, EISDIR, path);
  if (fcntl(fd.get(), F_SETFL, flags) < 0) return Error::Last(Stage::open_file, path);
  return fd;
}

Result<UniqueFd> OpenPipe(size_t index, StdioFds* fds) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return Error::Last(Stage::pipe2, kNames[index]);
  UniqueFd reader(ends[0]), writer(ends[1]);
  if (index != STDIN_FILENO) std::swap(reader, writer);
  fds->ours[index] = MoveHigh(std::move(writer));
  if (fcntl(fds->ours[index].get(), F_SETFL, O_NONBLOCK) < 0) {
    return Error::Last(Stage::pipe2, kNames[index]);
  }
  return reader;
}

}  // namespace

Status OpenStdio(const std::array<Stdio, 3>& wanted, Links* links, uint64_t owner, StdioFds* fds) {
  for (; fds->done < wanted.size(); ++fds->done) {
    const Stdio& stdio = wanted[fds->done];
    Result<UniqueFd> opened{UniqueFd()};
    switch (stdio.kind) {
      case StdioKind::inherit:
      case StdioKind::pty:
        break;
      case StdioKind::devnull:
        opened = OpenDevNull();
        break;
      case StdioKind::connect_unix:
        opened = ConnectUnix(stdio.path);
        break;
      case StdioKind::pipe:
        opened = OpenPipe(fds->done, fds);
        break;
      case StdioKind::file:
        opened = OpenFile(stdio.path, stdio.mode);
        break;
      case StdioKind::link:
        opened = links->Claim(stdio.path, stdio.mode, owner);
        break;
      case StdioKind::like_stdout:
        fds->merged = true;
        break;
    }
    if (!opened.ok()) return opened.error();
    fds->fd[fds->done] = opened.Take();
  }
  return {};
}

}  // namespace linx
