#include "unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace linx {
namespace {

// Where a directory may be made for a moment.
constexpr const char* kStorage[] = {"/tmp", "/dev/shm"};

struct PrivateDirectory {
  std::string path;
  std::string file;

  explicit PrivateDirectory(std::string made) : path(std::move(made)), file(path + "/socket") {}
  PrivateDirectory(const PrivateDirectory&) = delete;
  ~PrivateDirectory() {
    unlink(file.c_str());
    rmdir(path.c_str());
  }
};

bool AddressOf(const std::string& path, struct sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof(address->sun_path)) return false;
  std::memcpy(address->sun_path, path.data(), path.size());
  return true;
}

Result<PrivateListener> ListenIn(const PrivateDirectory& directory) {
  PrivateListener made;
  made.socket.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  struct sockaddr_un address;
  AddressOf(directory.file, &address);
  const auto* const name = reinterpret_cast<const struct sockaddr*>(&address);
  if (!made.socket || bind(made.socket.get(), name, sizeof(address)) < 0 ||
      listen(made.socket.get(), SOMAXCONN) < 0) {
    return Error::Last(Stage::listener, directory.path);
  }
  made.address.Reset(open(directory.file.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!made.address) return Error::Last(Stage::listener, directory.path);
  return made;
}

}  // namespace

Result<UniqueFd> ConnectUnix(const std::string& path, bool signed_by_peer) {
  struct sockaddr_un address;
  if (!AddressOf(path, &address)) return Error::Of(Stage::connect_unix, ENAMETOOLONG, path);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::Last(Stage::connect_unix, path);
  // Ahead of the connection, whose first bytes may be there as soon as it is.
  const int on = 1;
  if (signed_by_peer && setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
    return Error::Last(Stage::connect_unix, path);
  }
  if (connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) < 0) {
    return Error::Last(Stage::connect_unix, path);
  }
  if (fcntl(fd.get(), F_SETFL, 0) < 0) return Error::Last(Stage::connect_unix, path);
  return fd;
}

Result<PrivateListener> ListenInPrivate() {
  for (const char* const storage : kStorage) {
    std::string path = std::string(storage) + "/linx-XXXXXX";
    if (mkdtemp(path.data()) != nullptr) return ListenIn(PrivateDirectory(std::move(path)));
  }
  return Error::Last(Stage::listener, kStorage[0]);
}

std::string PathOf(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace linx
