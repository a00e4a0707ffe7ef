// What sessions share by name: pipes and pairs of sockets, until each of their ends has its
// session, and sockets that listen, as long as the session that made them.
#ifndef LINX_LINKS_H_
#define LINX_LINKS_H_

#include <cstdint>
#include <map>
#include <string>

#include "result.h"
#include "stdio_request.h"
#include "unique_fd.h"

namespace linx {

class Links {
 public:
  // What `owner` asks for. Of a pipe and a pair who names it first makes it; with the other end the
  // name is free again. EAGAIN says that a listener's backlog is full: come back later. Errors:
  // pipe2, socketpair, listener; connect with ENOENT where nobody listens; link with EBUSY where
  // the same end was asked for before, or the name is that of something else. The detail is the
  // name.
  Result<UniqueFd> Claim(const Stdio& wanted, uint64_t owner);
  // Closes the ends that nobody asked for of what `owner` made, and forgets its listeners.
  void Drop(uint64_t owner);

 private:
  Result<UniqueFd> ClaimEnd(const Stdio& wanted, uint64_t owner);
  // `end` is what has to be asked for to get it.
  struct Unclaimed {
    Stdio end;
    UniqueFd fd;
    uint64_t owner;
  };
  Result<UniqueFd> Make(const Stdio& wanted, uint64_t owner);
  Result<UniqueFd> Connect(const Stdio& wanted) const;

  std::map<std::string, Unclaimed> unclaimed_;
};

}  // namespace linx

#endif  // LINX_LINKS_H_
