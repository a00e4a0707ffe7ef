// Unix sockets on the host's side of a workload.
#ifndef LINX_UNIX_SOCKET_H_
#define LINX_UNIX_SOCKET_H_

#include <string>

#include "result.h"
#include "unique_fd.h"

namespace linx {

// A stream that blocks, though connecting did not wait: EAGAIN says that the listener's backlog is
// full. With `signed_by_peer` the kernel tells which process writes to it. Stage connect_unix, the
// detail is the path.
Result<UniqueFd> ConnectUnix(const std::string& path, bool signed_by_peer = false);

struct PrivateListener {
  UniqueFd socket;   // listens, does not block
  UniqueFd address;  // PathOf it is where to connect to: no other path leads there
};

// The socket is bound in a directory of mode 0700, and both are removed before anybody could be
// told of them. Whoever is killed in between leaves them behind; nobody listens there then. Stage
// listener, the detail is the directory.
Result<PrivateListener> ListenInPrivate();

// The file that `fd` is open on, as a path of this process.
std::string PathOf(int fd);

}  // namespace linx

#endif  // LINX_UNIX_SOCKET_H_
