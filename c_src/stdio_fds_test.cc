#include "stdio_fds.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "test_process.h"

namespace linx {
namespace {

// A directory of the test's own with a socket in it.
struct Listener {
  explicit Listener(int backlog) {
    REQUIRE(mkdtemp(directory) != nullptr);
    path = std::string(directory) + "/socket";
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    fd.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(fd.get(), backlog) == 0);
  }
  ~Listener() {
    unlink(path.c_str());
    rmdir(directory);
  }
  UniqueFd Accept() {
    REQUIRE(test::Readable(fd.get()));
    return UniqueFd(accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  char directory[24] = "/tmp/linx_test.XXXXXX";
  std::string path;
  UniqueFd fd;
};

using Wanted = std::array<Stdio, 3>;

Status Open(const Wanted& wanted, StdioFds* fds) {
  static Links links;
  return OpenStdio(wanted, &links, 1, fds);
}

Stdio Connect(const std::string& path) { return {StdioKind::connect_unix, path}; }

bool IsCloseOnExec(const UniqueFd& fd) { return (fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0; }

TEST_CASE("what is inherited, or a terminal, needs no fd of its own") {
  StdioFds fds;
  CHECK(Open(Wanted{}, &fds).ok());
  CHECK(Open(Wanted{Stdio{StdioKind::pty, {}}}, &fds).ok());
  for (const UniqueFd& fd : fds.fd) CHECK_FALSE(static_cast<bool>(fd));
}

TEST_CASE("the null device is opened for reading and writing") {
  StdioFds fds;
  const Stdio null{StdioKind::devnull, {}};
  REQUIRE(Open(Wanted{null, Stdio{}, null}, &fds).ok());
  CHECK_FALSE(static_cast<bool>(fds.fd[1]));
  for (const size_t i : {0, 2}) {
    struct stat file;
    REQUIRE(fstat(fds.fd[i].get(), &file) == 0);
    CHECK(S_ISCHR(file.st_mode));
    CHECK(file.st_rdev == makedev(1, 3));
    CHECK((fcntl(fds.fd[i].get(), F_GETFL) & O_ACCMODE) == O_RDWR);
    CHECK(IsCloseOnExec(fds.fd[i]));
  }
}

TEST_CASE("a unix socket is connected on the host's side") {
  Listener listener(3);
  StdioFds fds;
  REQUIRE(Open(Wanted{Stdio{}, Connect(listener.path)}, &fds).ok());
  const UniqueFd accepted = listener.Accept();
  CHECK(write(fds.fd[1].get(), "hello", 5) == 5);
  char text[8];
  CHECK(read(accepted.get(), text, sizeof(text)) == 5);
  CHECK(IsCloseOnExec(fds.fd[1]));
  // The workload expects a stream that blocks.
  CHECK((fcntl(fds.fd[1].get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a listener that does not accept is a reason to come back, from where one left off") {
  Listener listener(0);
  std::vector<UniqueFd> fillers;
  Status status;
  StdioFds fds;
  const Wanted wanted{Stdio{StdioKind::devnull, {}}, Connect(listener.path),
                      Connect(listener.path)};
  // A backlog of 0 takes one: the second connection finds it full.
  status = Open(wanted, &fds);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().stage == Stage::connect_unix);
  CHECK(status.error().code == EAGAIN);
  CHECK(status.error().detail == listener.path);
  CHECK(fds.done == 2);
  const int before = fds.fd[1].get();
  CHECK_FALSE(Open(wanted, &fds).ok());
  const UniqueFd first = listener.Accept();
  REQUIRE(Open(wanted, &fds).ok());
  CHECK(fds.done == 3);
  CHECK(fds.fd[1].get() == before);
  CHECK(static_cast<bool>(listener.Accept()));
}

TEST_CASE("a path that leads nowhere is the error's detail") {
  const auto fails = [](const std::string& path) {
    StdioFds fds;
    const Status status = Open(Wanted{Connect(path)}, &fds);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().stage == Stage::connect_unix);
    CHECK(status.error().detail == path);
    return status.error().code;
  };
  CHECK(fails("/no/such/socket") == ENOENT);
  CHECK(fails("/dev/null") == ECONNREFUSED);
  CHECK(fails("/" + std::string(107, 'x')) == ENAMETOOLONG);
  CHECK(fails("/" + std::string(106, 'x')) == ENOENT);
  CHECK(fails("/" + std::string(100'000, 'x')) == ENAMETOOLONG);
}

}  // namespace
}  // namespace linx
