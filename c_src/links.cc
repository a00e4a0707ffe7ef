#include "links.h"

#include <cerrno>
#include <utility>

namespace linx {

Result<UniqueFd> Links::Claim(const std::string& name, FileMode end, uint64_t owner) {
  const auto found = unclaimed_.find(name);
  if (found != unclaimed_.end()) {
    if (found->second.end != end) return Error::Of(Stage::link, EBUSY, name);
    UniqueFd fd = std::move(found->second.fd);
    unclaimed_.erase(found);
    return fd;
  }
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return Error::Last(Stage::pipe2, name);
  UniqueFd reader(fds[0]), writer(fds[1]);
  const bool reads = end == FileMode::read;
  unclaimed_[name] = {reads ? FileMode::write : FileMode::read,
                      MoveHigh(reads ? std::move(writer) : std::move(reader)), owner};
  return reads ? std::move(reader) : std::move(writer);
}

void Links::Drop(uint64_t owner) {
  for (auto at = unclaimed_.begin(); at != unclaimed_.end();) {
    at = at->second.owner == owner ? unclaimed_.erase(at) : std::next(at);
  }
}

}  // namespace linx
