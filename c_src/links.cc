#include "links.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "unix_socket.h"

namespace linx {
namespace {

bool Reads(const Stdio& end) { return end.mode != FileMode::write; }

bool SameEnd(const Stdio& one, const Stdio& other) {
  return one.kind == other.kind && (one.kind != StdioKind::link || Reads(one) == Reads(other));
}

// What is made for `wanted`: its own fd, and the one that waits for who asks for `rest`.
struct Made {
  UniqueFd own;
  UniqueFd other;
  Stdio rest;
};

Result<Made> MakePipe(const Stdio& wanted) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return Error::Last(Stage::pipe2, wanted.path);
  Made made{UniqueFd(fds[0]), UniqueFd(fds[1]), wanted};
  const bool reads = Reads(wanted);
  made.rest.mode = reads ? FileMode::write : FileMode::read;
  if (!reads) std::swap(made.own, made.other);
  return made;
}

Result<Made> MakePair(const Stdio& wanted) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
    return Error::Last(Stage::socketpair, wanted.path);
  }
  return Made{UniqueFd(fds[0]), UniqueFd(fds[1]), wanted};
}

Result<Made> MakeListener(const Stdio& wanted) {
  Result<PrivateListener> listener = ListenInPrivate();
  if (!listener.ok()) {
    return Error::Of(Stage::listener, listener.error().code, wanted.path);
  }
  Made made{std::move(listener.value().socket), std::move(listener.value().address), wanted};
  made.rest.kind = StdioKind::connect;
  return made;
}

}  // namespace

Result<UniqueFd> Links::Claim(const Stdio& wanted, uint64_t owner) {
  Result<UniqueFd> claimed = ClaimEnd(wanted, owner);
  if (claimed.ok() && wanted.mode == FileMode::read_nonblock &&
      fcntl(claimed.value().get(), F_SETFL, O_NONBLOCK) < 0) {
    return Error::Last(Stage::link, wanted.path);
  }
  return claimed;
}

Result<UniqueFd> Links::ClaimEnd(const Stdio& wanted, uint64_t owner) {
  if (wanted.kind == StdioKind::connect) return Connect(wanted);
  const auto found = unclaimed_.find(wanted.path);
  if (found == unclaimed_.end()) return Make(wanted, owner);
  if (!SameEnd(found->second.end, wanted)) return Error::Of(Stage::link, EBUSY, wanted.path);
  UniqueFd fd = std::move(found->second.fd);
  unclaimed_.erase(found);
  return fd;
}

Result<UniqueFd> Links::Make(const Stdio& wanted, uint64_t owner) {
  Result<Made> made = wanted.kind == StdioKind::link         ? MakePipe(wanted)
                      : wanted.kind == StdioKind::socketpair ? MakePair(wanted)
                                                             : MakeListener(wanted);
  if (!made.ok()) return made.error();
  unclaimed_[wanted.path] = {std::move(made.value().rest), MoveHigh(std::move(made.value().other)),
                             owner};
  return std::move(made.value().own);
}

Result<UniqueFd> Links::Connect(const Stdio& wanted) const {
  const std::string& name = wanted.path;
  const auto found = unclaimed_.find(name);
  if (found == unclaimed_.end() || found->second.end.kind != StdioKind::connect) {
    return Error::Of(Stage::connect, ENOENT, name);
  }
  Result<UniqueFd> connected = ConnectUnix(PathOf(found->second.fd.get()), wanted.signed_by_peer);
  if (!connected.ok()) return Error::Of(Stage::connect, connected.error().code, name);
  return connected;
}

void Links::Drop(uint64_t owner) {
  for (auto at = unclaimed_.begin(); at != unclaimed_.end();) {
    at = at->second.owner == owner ? unclaimed_.erase(at) : std::next(at);
  }
}

}  // namespace linx
