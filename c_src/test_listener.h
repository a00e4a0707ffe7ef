// Directories and unix sockets of a test's own.
#ifndef LINX_TEST_LISTENER_H_
#define LINX_TEST_LISTENER_H_

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "test_process.h"
#include "unique_fd.h"

namespace linx::test {

// A directory that is gone at the end, with the one file that may be in it.
struct Directory {
  explicit Directory(const std::string& name = "file") {
    const char* const tmp = std::getenv("TMPDIR");
    path = std::string(tmp != nullptr ? tmp : "/tmp") + "/linx_test.XXXXXX";  // see mkdtemp(3)
    REQUIRE(mkdtemp(path.data()) != nullptr);
    file = path + "/" + name;
  }
  ~Directory() {
    unlink(file.c_str());
    rmdir(path.c_str());
  }
  Directory(const Directory&) = delete;
  std::string path, file;
};

// A socket that accepts nothing by itself.
struct Listener {
  explicit Listener(int backlog) : directory("socket"), path(directory.file) {
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof(address.sun_path));
    std::memcpy(address.sun_path, path.data(), path.size());
    fd.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(fd.get(), backlog) == 0);
  }
  UniqueFd Accept() const {
    REQUIRE(Readable(fd.get()));
    return UniqueFd(accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  Directory directory;
  std::string path;
  UniqueFd fd;
};

}  // namespace linx::test

#endif  // LINX_TEST_LISTENER_H_
