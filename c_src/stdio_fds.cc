#include "stdio_fds.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "unix_socket.h"

namespace linx {
namespace {

constexpr const char* kNames[] = {"stdin", "stdout", "stderr"};

Result<UniqueFd> OpenDevNull() {
  UniqueFd fd(open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!fd) return Error::Last(Stage::dev_null, "/dev/null");
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

// What needs no pipe of ours.
Result<UniqueFd> Open(const Stdio& wanted, Links* links, uint64_t owner) {
  switch (wanted.kind) {
    case StdioKind::devnull:
      return OpenDevNull();
    case StdioKind::connect_unix:
      return ConnectUnix(wanted.path, wanted.signed_by_peer);
    case StdioKind::file:
      return OpenFile(wanted.path, wanted.mode);
    case StdioKind::link:
    case StdioKind::socketpair:
    case StdioKind::listener:
    case StdioKind::connect:
      return links->Claim(wanted, owner);
    default:
      return UniqueFd();
  }
}

}  // namespace

Status OpenStdio(const std::array<Stdio, 3>& wanted, Links* links, uint64_t owner, StdioFds* fds) {
  for (; fds->done < wanted.size(); ++fds->done) {
    const Stdio& stdio = wanted[fds->done];
    if (stdio.kind == StdioKind::like_stdout) fds->merged = true;
    Result<UniqueFd> opened =
        stdio.kind == StdioKind::pipe ? OpenPipe(fds->done, fds) : Open(stdio, links, owner);
    if (!opened.ok()) return opened.error();
    fds->fd[fds->done] = opened.Take();
  }
  return {};
}

Status OpenFds(const std::vector<FdWish>& wanted, Links* links, uint64_t owner, StdioFds* fds) {
  while (fds->others.size() < wanted.size()) {
    Result<UniqueFd> opened = Open(wanted[fds->others.size()].directive, links, owner);
    if (!opened.ok()) return opened.error();
    fds->others.push_back(opened.Take());
  }
  return {};
}

}  // namespace linx
