#include "pty.h"

#include <doctest/doctest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include <cerrno>
#include <string>

#include "test_process.h"

namespace linx {
namespace {

struct OpenPty : Pty {
  OpenPty() {
    REQUIRE(Open().ok());
    master = TakeMaster();
  }
  // Output until there is none for now.
  std::string ReadAll() {
    std::string all;
    char chunk[1000];
    ssize_t n;
    while ((n = read(master.get(), chunk, sizeof(chunk))) > 0) {
      all.append(chunk, static_cast<size_t>(n));
    }
    return all;
  }
  UniqueFd master;
};

TEST_CASE("both ends are a terminal's, and no exec'd program gets them") {
  OpenPty pty;
  CHECK(isatty(pty.peer()) == 1);
  CHECK((fcntl(pty.master.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(pty.peer(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(pty.master.get(), F_GETFL) & O_NONBLOCK) != 0);
  // The workload expects a terminal that blocks.
  CHECK((fcntl(pty.peer(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("what the workload writes is output") {
  OpenPty pty;
  CHECK(pty.ReadAll().empty());
  CHECK(errno == EAGAIN);
  CHECK(write(pty.peer(), "line\n", 5) == 5);
  REQUIRE(test::Readable(pty.master.get()));
  CHECK(pty.ReadAll() == "line\r\n");
}

TEST_CASE("output that was written before the last end closed is still read") {
  OpenPty pty;
  CHECK(write(pty.peer(), "last words", 10) == 10);
  pty.ClosePeer();
  CHECK(pty.ReadAll() == "last words");
  CHECK(errno == EIO);
}

TEST_CASE("the window's size reaches the workload") {
  OpenPty pty;
  pty.SetWinsize({24, 80, 640, 65535});
  struct winsize size;
  REQUIRE(ioctl(pty.peer(), TIOCGWINSZ, &size) == 0);
  CHECK(size.ws_row == 24);
  CHECK(size.ws_col == 80);
  CHECK(size.ws_xpixel == 640);
  CHECK(size.ws_ypixel == 65535);
}

TEST_CASE("a terminal that cannot be opened names the stage") {
  test::Process process = test::ForkProcess([] {
    const struct rlimit few = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &few) < 0) return 1;
    Pty pty;
    const Status status = pty.Open();
    if (status.ok()) return 2;
    return status.error().stage == Stage::posix_openpt && status.error().code == EMFILE ? 0 : 3;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
