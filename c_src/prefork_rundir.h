// The directory in which servers are found: a socket `s<ident>` and a lock `l<ident>` each.
#ifndef LINX_PREFORK_RUNDIR_H_
#define LINX_PREFORK_RUNDIR_H_

#include <string>

#include "unique_fd.h"

namespace linx {

// More servers than that are not kept.
constexpr size_t kMaxPreforkSockets = 100;

class PreforkRundir {
 public:
  // $XDG_RUNTIME_DIR/prefork-interp where that variable is set and its directory is the caller's,
  // else /tmp/prefork-interp-UID; made where it is missing. Does not come back where it is not the
  // caller's own, or where others may enter it.
  static PreforkRundir Open();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  static std::string SocketName(const std::string& ident) { return "s" + ident; }
  static std::string LockName(const std::string& ident) { return "l" + ident; }

  // Connected; or empty where nobody listens, whatever the reason.
  UniqueFd Connect(const std::string& ident) const;
  // A socket that listens at a path where there is none, and that does not block.
  UniqueFd Listen(const std::string& ident) const;

  // Alone with an ident among all who ask, until it is closed. Waits for it.
  UniqueFd Lock(const std::string& ident) const;
  // Empty where somebody has it.
  UniqueFd TryLock(const std::string& ident) const;

  // Ends a server, if there is one: its watcher sees that the socket is gone.
  void RemoveSocket(const std::string& ident) const;
  // For who has the lock, and nothing more to do with the ident.
  void RemoveLock(const std::string& ident) const;
  // Removes the least recently used sockets, so that there is room for one more. Those that are
  // locked are left.
  void MakeRoom(const std::string& but) const;

 private:
  PreforkRundir(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd OpenLock(const std::string& ident, int operation) const;

  UniqueFd fd_;
  std::string path_;
};

}  // namespace linx

#endif  // LINX_PREFORK_RUNDIR_H_
