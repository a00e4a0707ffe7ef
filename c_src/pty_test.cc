#include "pty.h"

#include <doctest/doctest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

#include <string>

#include "test_process.h"

namespace linx {
namespace {

struct OpenPty : Pty {
  OpenPty() { REQUIRE(Open().ok()); }
  // No echo, no line editing: bytes come out as they went in.
  void MakeRaw() {
    struct termios modes;
    REQUIRE(tcgetattr(peer(), &modes) == 0);
    cfmakeraw(&modes);
    REQUIRE(tcsetattr(peer(), TCSANOW, &modes) == 0);
  }
};

// Output until there is none for now.
std::string ReadAll(Pty& pty) {
  std::string all;
  char chunk[1000];
  ssize_t n;
  while ((n = pty.Read(chunk, sizeof(chunk))) > 0) all.append(chunk, static_cast<size_t>(n));
  return all;
}

TEST_CASE("both ends are a terminal's, and no exec'd program gets them") {
  OpenPty pty;
  CHECK(isatty(pty.peer()) == 1);
  CHECK((fcntl(pty.master(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(pty.peer(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(pty.master(), F_GETFL) & O_NONBLOCK) != 0);
  // The workload expects a terminal that blocks.
  CHECK((fcntl(pty.peer(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("what the workload writes is output") {
  OpenPty pty;
  char nothing[10];
  CHECK(pty.Read(nothing, sizeof(nothing)) == 0);
  CHECK(write(pty.peer(), "line\n", 5) == 5);
  REQUIRE(test::Readable(pty.master()));
  CHECK(ReadAll(pty) == "line\r\n");
}

TEST_CASE("output that was written before the last end closed is still read") {
  OpenPty pty;
  CHECK(write(pty.peer(), "last words", 10) == 10);
  pty.ClosePeer();
  CHECK(ReadAll(pty) == "last words");
  char nothing[10];
  CHECK(pty.Read(nothing, sizeof(nothing)) == -1);
}

TEST_CASE("input waits for its reader") {
  OpenPty pty;
  CHECK_FALSE(pty.has_input());
  CHECK(pty.Queue("typed\n"));
  CHECK(pty.has_input());
  pty.Feed();
  CHECK_FALSE(pty.has_input());
  char line[16];
  REQUIRE(test::Readable(pty.peer()));
  CHECK(read(pty.peer(), line, sizeof(line)) == 6);
}

TEST_CASE("input that the terminal cannot take now stays queued, and arrives whole and in order") {
  OpenPty pty;
  pty.MakeRaw();
  std::string sent;
  for (int i = 0; sent.size() < 300'000; ++i) sent += std::to_string(i) + ' ';
  REQUIRE(pty.Queue(sent));
  std::string got;
  pty.Feed();
  CHECK(pty.has_input());
  char chunk[5000];
  while (got.size() < sent.size() && test::Readable(pty.peer())) {
    const ssize_t n = read(pty.peer(), chunk, sizeof(chunk));
    if (n <= 0) break;
    got.append(chunk, static_cast<size_t>(n));
    pty.Feed();
  }
  CHECK(got.size() == sent.size());
  CHECK((got == sent));
  CHECK_FALSE(pty.has_input());
}

TEST_CASE("the queue has a limit, and takes all of an input or nothing") {
  OpenPty pty;
  pty.MakeRaw();
  const std::string most(Pty::kMaxQueued - 10, 'x');
  CHECK(pty.Queue(most));
  CHECK_FALSE(pty.Queue("12345678901"));
  CHECK(pty.Queue("1234567890"));
  CHECK_FALSE(pty.Queue("1"));
  CHECK(pty.Queue(""));
  // What the terminal took makes room.
  pty.Feed();
  CHECK(pty.Queue("1"));
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
