#include "prefork_rundir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "prefork_call.h"
#include "prefork_fatal.h"

namespace linx {
namespace {

constexpr char kName[] = "/prefork-interp";

std::string FindPath() {
  const char* base = getenv("XDG_RUNTIME_DIR");
  struct stat found;
  // As the variable's specification has it: what is relative, or somebody else's, does not count.
  if (base != nullptr && base[0] == '/' && stat(base, &found) == 0 && S_ISDIR(found.st_mode) &&
      found.st_uid == geteuid()) {
    return base + std::string(kName);
  }
  return "/tmp" + std::string(kName) + "-" + std::to_string(geteuid());
}

UniqueFd OpenDirectory(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// The path of a socket is short, and that of a directory need not be: then it is reached by its fd.
struct sockaddr_un AddressOf(const PreforkRundir& rundir, const std::string& ident) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string path = rundir.path() + "/" + PreforkRundir::SocketName(ident);
  if (path.size() >= sizeof(address.sun_path)) {
    path = "/proc/self/fd/" + std::to_string(rundir.fd()) + "/" + PreforkRundir::SocketName(ident);
  }
  if (path.size() >= sizeof(address.sun_path)) PreforkFatal("the ident is too long: " + ident);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

UniqueFd OpenSocket(int flags) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd) PreforkFatalErrno("cannot make a socket");
  return fd;
}

bool SameFile(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool Later(const struct timespec& one, const struct timespec& other) {
  return one.tv_sec != other.tv_sec ? one.tv_sec > other.tv_sec : one.tv_nsec > other.tv_nsec;
}

struct Used {
  std::string ident;
  struct timespec when;
};

}  // namespace

PreforkRundir PreforkRundir::Open() {
  const std::string path = FindPath();
  UniqueFd fd = OpenDirectory(path);
  if (!fd && errno == ENOENT && (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST)) {
    fd = OpenDirectory(path);
  }
  struct stat found;
  if (!fd || fstat(fd.get(), &found) < 0) {
    PreforkFatalErrno("cannot open the run directory " + path);
  }
  if (found.st_uid != geteuid()) PreforkFatal("the run directory " + path + " is not yours");
  if ((found.st_mode & 077) != 0) {
    PreforkFatal("others may enter the run directory " + path + ": its mode has to be 0700");
  }
  return PreforkRundir(std::move(fd), path);
}

UniqueFd PreforkRundir::Connect(const std::string& ident) const {
  const struct sockaddr_un address = AddressOf(*this, ident);
  // It blocks: where the queue of who wants to be served is full, one waits for a place in it.
  UniqueFd fd = OpenSocket(0);
  (void)PreforkCall::LearnMonitor(fd.get());
  if (connect(fd.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof(address)) < 0) {
    fd.Reset();
  }
  return fd;
}

UniqueFd PreforkRundir::Listen(const std::string& ident) const {
  const struct sockaddr_un address = AddressOf(*this, ident);
  UniqueFd fd = OpenSocket(SOCK_NONBLOCK);
  if (bind(fd.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof(address)) < 0 ||
      listen(fd.get(), INT_MAX) < 0) {
    PreforkFatalErrno("cannot listen in " + path_);
  }
  return fd;
}

UniqueFd PreforkRundir::Lock(const std::string& ident) const {
  UniqueFd lock = OpenLock(ident, LOCK_EX);
  if (!lock) PreforkFatalErrno("cannot lock " + path_ + "/" + LockName(ident));
  return lock;
}

UniqueFd PreforkRundir::TryLock(const std::string& ident) const {
  return OpenLock(ident, LOCK_EX | LOCK_NB);
}

// Who had the lock may have removed its file, and somebody else has made another since.
UniqueFd PreforkRundir::OpenLock(const std::string& ident, int operation) const {
  const std::string name = LockName(ident);
  for (;;) {
    UniqueFd fd(openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd || flock(fd.get(), operation) < 0) return UniqueFd();
    struct stat locked, found;
    if (fstat(fd.get(), &locked) == 0 && fstatat(fd_.get(), name.c_str(), &found, 0) == 0 &&
        SameFile(locked, found)) {
      return fd;
    }
  }
}

void PreforkRundir::RemoveSocket(const std::string& ident) const {
  if (unlinkat(fd_.get(), SocketName(ident).c_str(), 0) < 0 && errno != ENOENT) {
    PreforkFatalErrno("cannot remove " + path_ + "/" + SocketName(ident));
  }
}

void PreforkRundir::RemoveLock(const std::string& ident) const {
  unlinkat(fd_.get(), LockName(ident).c_str(), 0);
}

void PreforkRundir::MakeRoom(const std::string& but) const {
  // Of its own, as fdopendir(3) takes the fd it is given, and moves its position.
  DIR* directory = fdopendir(openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory == nullptr) return;
  std::vector<Used> sockets;
  while (const struct dirent* entry = readdir(directory)) {
    struct stat found;
    if (entry->d_name[0] != 's' || entry->d_name + 1 == but ||
        fstatat(fd_.get(), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) < 0) {
      continue;
    }
    sockets.push_back({entry->d_name + 1, found.st_atim});
  }
  closedir(directory);
  if (sockets.size() < kMaxPreforkSockets) return;
  std::sort(sockets.begin(), sockets.end(),
            [](const Used& one, const Used& other) { return Later(one.when, other.when); });
  for (size_t i = kMaxPreforkSockets - 1; i < sockets.size(); ++i) {
    const UniqueFd lock = TryLock(sockets[i].ident);
    if (!lock) continue;
    RemoveSocket(sockets[i].ident);
    RemoveLock(sockets[i].ident);
  }
}

}  // namespace linx
