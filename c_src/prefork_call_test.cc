#include "prefork_call.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

#include "channel.h"
#include "test_process.h"

namespace linx {
namespace {

using test::ForkProcess;
using test::Pipe;
using test::Process;

constexpr std::string_view kGreeting("PFI\n\0\0\0\0", 8);

// A call with the script's end of it in the test's hands.
struct Script {
  Script() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    end.Reset(fds[1]);
    REQUIRE(PreforkCall::LearnMonitor(fds[0]).ok());
    call = std::make_unique<PreforkCall>(UniqueFd(fds[0]));
  }
  void Say(std::string_view bytes) {
    REQUIRE(write(end.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    call->Advance();
  }
  void Close() {
    end.Reset();
    call->Advance();
  }
  // Greeted and given a run.
  void Begin(std::string settings = PreforkSettings({"A=1"}, {"x"})) {
    Say(kGreeting);
    REQUIRE(call->phase() == PreforkCall::Phase::greeted);
    call->Run({0, 1, 2}, std::move(settings));
    call->Advance();
  }
  std::string Read(size_t size) {
    std::string bytes(size, '?');
    size_t got = 0;
    while (got < size && test::Readable(end.get())) {
      const ssize_t n = read(end.get(), &bytes[got], size - got);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }
  // The next byte and the fd that comes with it.
  UniqueFd ReadFd() {
    char byte = 1;
    int fd = -1;
    REQUIRE(ReceiveRecord(end.get(), &byte, 1, &fd, 0) == 1);
    CHECK(byte == 0);
    return UniqueFd(fd);
  }
  void CheckFailed(Stage stage, int code) {
    REQUIRE(call->phase() == PreforkCall::Phase::ended);
    REQUIRE(call->error().has_value());
    CHECK(call->error()->stage == stage);
    CHECK(call->error()->code == code);
    CHECK_FALSE(call->wait_status().has_value());
    CHECK(call->wants() == 0);
  }

  UniqueFd end;
  std::unique_ptr<PreforkCall> call;
};

bool SameFile(int one, int other) {
  const auto name = [](int fd) { return test::ReadLink("/proc/self/fd/" + std::to_string(fd)); };
  return !name(one).empty() && name(one) == name(other);
}

TEST_CASE("prefork call: a run from its greeting to its status") {
  Script script;
  CHECK(script.call->wants() == POLLIN);
  script.Say(kGreeting);
  CHECK(script.call->phase() == PreforkCall::Phase::greeted);

  Pipe in, out, err;
  const std::string settings = PreforkSettings({"A=1", "B=two words"}, {"-x", "", "z"});
  script.call->Run({in.out.get(), out.in.get(), err.in.get()}, settings);
  CHECK(script.call->wants() == POLLOUT);
  script.call->Advance();
  CHECK(script.call->phase() == PreforkCall::Phase::waiting);

  CHECK_FALSE(script.ReadFd());
  CHECK(SameFile(script.ReadFd().get(), in.out.get()));
  CHECK(SameFile(script.ReadFd().get(), out.in.get()));
  CHECK(SameFile(script.ReadFd().get(), err.in.get()));
  const std::string_view strings("A=1\0B=two words\0\0-x\0\0z\0", 23);
  CHECK(script.Read(4) == std::string_view("\0\0\0\x17", 4));
  CHECK(script.Read(strings.size()) == strings);

  script.Say(std::string_view("\0\0\x03", 3));
  CHECK(script.call->phase() == PreforkCall::Phase::waiting);
  script.Say(std::string_view("\0", 1));
  REQUIRE(script.call->phase() == PreforkCall::Phase::ended);
  CHECK(script.call->wait_status() == 0x300);
  CHECK_FALSE(script.call->error().has_value());
}

TEST_CASE("prefork call: a greeting in pieces, with more that is ignored") {
  Script script;
  for (const char byte : std::string_view("PFI\n\0\0\2\1", 8)) script.Say(std::string(1, byte));
  CHECK(script.call->phase() == PreforkCall::Phase::greeting);
  script.Say(std::string(0x200, 'x'));
  CHECK(script.call->phase() == PreforkCall::Phase::greeting);
  script.Say("x");
  CHECK(script.call->phase() == PreforkCall::Phase::greeted);
}

TEST_CASE("prefork call: the greeting tells the monitor's pid") {
  Script script;
  Process monitor = ForkProcess(
      [&] { return write(script.end.get(), kGreeting.data(), kGreeting.size()) == 8 ? 0 : 1; });
  REQUIRE(test::Readable(script.call->fd()));
  script.call->Advance();
  CHECK(script.call->phase() == PreforkCall::Phase::greeted);
  CHECK(script.call->monitor() == monitor.pid());
}

TEST_CASE("prefork call: what greets otherwise is told from what does not greet") {
  Script silent, foreign, late, vast, early;
  silent.Close();
  silent.CheckFailed(Stage::prefork_greeting, ECONNRESET);
  foreign.Say("PFX");
  foreign.CheckFailed(Stage::prefork_greeting, EPROTO);
  late.Say("PFI");
  late.Close();
  late.CheckFailed(Stage::prefork_greeting, ECONNRESET);
  vast.Say(std::string_view("PFI\n\0\1\0\1", 8));
  vast.CheckFailed(Stage::prefork_greeting, EMSGSIZE);
  early.Say(kGreeting);
  early.Say("x");
  early.CheckFailed(Stage::prefork_greeting, EPROTO);
}

TEST_CASE("prefork call: a monitor that leaves before the run is handed over") {
  Script script;
  script.Say(kGreeting);
  script.Close();
  script.CheckFailed(Stage::prefork_greeting, ECONNRESET);
}

TEST_CASE("prefork call: a run that is not read whole never began") {
  Script stuffed, unread;
  // More than the socket holds, so that it is in the middle of it.
  stuffed.Begin(PreforkSettings({}, {std::string(4u << 20, 'x')}));
  CHECK(stuffed.call->phase() == PreforkCall::Phase::sending);
  stuffed.Close();
  stuffed.CheckFailed(Stage::prefork_send, EPIPE);

  unread.Begin();
  CHECK(unread.call->phase() == PreforkCall::Phase::waiting);
  unread.Close();
  unread.CheckFailed(Stage::prefork_send, ECONNRESET);
}

TEST_CASE("prefork call: a large run goes as the monitor reads it") {
  Script script;
  const std::string settings = PreforkSettings({}, {std::string(4u << 20, 'x')});
  script.Begin(settings);
  REQUIRE(script.call->phase() == PreforkCall::Phase::sending);
  for (int i = 0; i < 4; ++i) script.ReadFd();
  std::string read;
  while (read.size() < settings.size()) {
    const std::string piece = script.Read(std::min<size_t>(65536, settings.size() - read.size()));
    REQUIRE_FALSE(piece.empty());
    read += piece;
    script.call->Advance();
  }
  CHECK(read == settings);
  CHECK(script.call->phase() == PreforkCall::Phase::waiting);
}

TEST_CASE("prefork call: an end before the status, or in the middle of it") {
  for (const std::string_view piece : {std::string_view(), std::string_view("\0\0", 2)}) {
    Script script;
    script.Begin();
    for (int i = 0; i < 4; ++i) script.ReadFd();
    script.Read(4 + 7);
    if (!piece.empty()) script.Say(piece);
    script.Close();
    script.CheckFailed(Stage::prefork_status, piece.empty() ? ECONNRESET : EPROTO);
  }
}

TEST_CASE("prefork call: to hang up leaves the status to come") {
  Script script;
  script.Begin();
  for (int i = 0; i < 4; ++i) script.ReadFd();
  script.Read(4 + 7);
  script.call->HangUp();
  char byte;
  CHECK(read(script.end.get(), &byte, 1) == 0);
  script.Say(std::string_view("\0\0\0\2", 4));
  CHECK(script.call->wait_status() == 2);
}

TEST_CASE("prefork call: fds that a script passes are not taken") {
  Script script;
  Pipe pipe;
  REQUIRE(SendRecord(script.end.get(), "PFI\n", 4, pipe.in.get(), 0) == 0);
  pipe.in.Reset();
  script.Say(std::string_view("\0\0\0\0", 4));
  CHECK(script.call->phase() == PreforkCall::Phase::greeted);
  char byte;
  CHECK(read(pipe.out.get(), &byte, 1) == 0);
}

TEST_CASE("prefork call: the variable's value") {
  CHECK(PreforkVariable({1700000000, 7}, {3, 4, 5, 6}) == "v1,1700000000.000000007 3,4,5,6");
}

TEST_CASE("prefork call: an empty setting would end the environment") {
  CHECK(PreforkSettings({"", "A=1"}, {}) == std::string("\0\0\0\5A=1\0\0", 9));
}

}  // namespace
}  // namespace linx
