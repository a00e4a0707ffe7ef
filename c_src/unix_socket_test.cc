#include "unix_socket.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <set>
#include <string>

#include "test_beam.h"

namespace linx {
namespace {

// What is in the directories where a socket may be bound.
std::set<std::string> Left() {
  std::set<std::string> names;
  for (const char* storage : {"/tmp", "/dev/shm"}) {
    DIR* directory = opendir(storage);
    if (directory == nullptr) continue;
    while (const struct dirent* entry = readdir(directory)) {
      const std::string name = entry->d_name;
      if (name.rfind("linx-", 0) == 0) names.insert(std::string(storage) + "/" + name);
    }
    closedir(directory);
  }
  return names;
}

Result<UniqueFd> Connect(const PrivateListener& listener) {
  return ConnectUnix(PathOf(listener.address.get()));
}

TEST_CASE("a private listener is reached by its address, and by no path") {
  Result<PrivateListener> made = ListenInPrivate();
  REQUIRE(made.ok());
  const PrivateListener& listener = made.value();
  CHECK((fcntl(listener.socket.get(), F_GETFL) & O_NONBLOCK) != 0);
  for (const UniqueFd* fd : {&listener.socket, &listener.address}) {
    CHECK((fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  const std::string path = test::ReadLink(PathOf(listener.address.get()));
  CHECK(path.find(" (deleted)") != path.npos);
  CHECK(Left().count(path.substr(0, path.find("/socket"))) == 0);

  for (const char* word : {"one", "two"}) {
    Result<UniqueFd> connected = Connect(listener);
    REQUIRE(connected.ok());
    CHECK((fcntl(connected.value().get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK(write(connected.value().get(), word, 3) == 3);
    const UniqueFd accepted(accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char bytes[4] = {};
    CHECK(read(accepted.get(), bytes, 3) == 3);
    CHECK(std::string(bytes) == word);
  }
}

TEST_CASE("a full backlog is a reason to come back, a closed listener a refusal") {
  Result<PrivateListener> made = ListenInPrivate();
  REQUIRE(made.ok());
  PrivateListener& listener = made.value();
  REQUIRE(listen(listener.socket.get(), 0) == 0);
  const Result<UniqueFd> first = Connect(listener);
  REQUIRE(first.ok());
  CHECK(Connect(listener).error().code == EAGAIN);
  UniqueFd(accept(listener.socket.get(), nullptr, nullptr));
  CHECK(Connect(listener).ok());
  listener.socket.Reset();
  CHECK(Connect(listener).error().code == ECONNREFUSED);
}

TEST_CASE("where fds run out nothing is left of a listener") {
  test::Process process = test::ForkProcess([] {
    const int next = dup(0);
    close(next);
    for (int allowed = 0; allowed < 3; ++allowed) {
      const struct rlimit few = {static_cast<rlim_t>(next + allowed), 4096};
      if (setrlimit(RLIMIT_NOFILE, &few) < 0) return 1;
      const Result<PrivateListener> made = ListenInPrivate();
      if (made.ok()) return allowed == 2 ? 0 : 2;
      if (made.error().stage != Stage::listener || made.error().code != EMFILE) return 3;
      if (access(made.error().detail.c_str(), F_OK) == 0) return 4;
    }
    return 5;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
