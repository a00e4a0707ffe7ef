#include "prefork_rundir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "prefork_client.h"
#include "prefork_fatal.h"
#include "prefork_watcher.h"
#include "test_process.h"

namespace linx {
namespace {

using test::ForkProcess;
using test::Pipe;
using test::Process;

// A run directory of the test's own.
struct Place {
  Place() {
    REQUIRE(mkdtemp(base) != nullptr);
    setenv("XDG_RUNTIME_DIR", base, 1);
  }
  ~Place() {
    unsetenv("XDG_RUNTIME_DIR");
    for (const char* name : {"/sx", "/lx", ""}) {
      (void)remove((std::string(base) + "/prefork-interp" + name).c_str());
    }
    rmdir(base);
  }
  char base[32] = "/tmp/linx_test.XXXXXX";
};

TEST_CASE("prefork rundir: a lock is one process's at a time") {
  Place place;
  const PreforkRundir rundir = PreforkRundir::Open();
  UniqueFd lock = rundir.Lock("x");
  REQUIRE(lock);
  CHECK_FALSE(rundir.TryLock("x"));
  Pipe pipe;
  Process other = ForkProcess([&] {
    lock.Reset();
    const UniqueFd late = rundir.Lock("x");
    return write(pipe.in.get(), "x", 1) == 1 ? 0 : 1;
  });
  lock.Reset();
  CHECK(test::Readable(pipe.out.get()));
  CHECK(other.ExitCode() == 0);
}

TEST_CASE("prefork rundir: a lock whose file was removed meanwhile is nobody's") {
  Place place;
  const PreforkRundir rundir = PreforkRundir::Open();
  UniqueFd lock = rundir.Lock("x");
  Pipe entered, locked, end;
  Process other = ForkProcess([&] {
    lock.Reset();
    if (write(entered.in.get(), "x", 1) != 1) return 1;
    const UniqueFd late = rundir.Lock("x");
    char byte;
    return write(locked.in.get(), "x", 1) == 1 && read(end.out.get(), &byte, 1) == 1 ? 0 : 1;
  });
  REQUIRE(test::Readable(entered.out.get()));
  // In flock(2), or nearly so; the outcome is the same.
  rundir.RemoveLock("x");
  lock.Reset();
  REQUIRE(test::Readable(locked.out.get()));
  // What the other has is the file that is there now.
  CHECK_FALSE(rundir.TryLock("x"));
  REQUIRE(write(end.in.get(), "x", 1) == 1);
  CHECK(other.ExitCode() == 0);
  CHECK(rundir.TryLock("x"));
}

TEST_CASE("prefork rundir: nobody is there until somebody listens, and after that") {
  Place place;
  const PreforkRundir rundir = PreforkRundir::Open();
  CHECK_FALSE(rundir.Connect("x"));
  UniqueFd listener = rundir.Listen("x");
  CHECK(rundir.Connect("x"));
  listener.Reset();
  CHECK_FALSE(rundir.Connect("x"));
  rundir.RemoveSocket("x");
  rundir.RemoveSocket("x");
  CHECK_FALSE(rundir.Connect("x"));
}

// A watcher of a socket that is there.
struct Watched : Place {
  Watched() : rundir(PreforkRundir::Open()), listener(rundir.Listen("x")) {
    struct stat made;
    REQUIRE(fstatat(rundir.fd(), "sx", &made, 0) == 0);
    watched = StartPreforkWatcher(rundir, "x", made);
  }
  ~Watched() {
    watched.alive.Reset();
    while (waitpid(-1, nullptr, 0) > 0) continue;
  }
  std::string Warnings() {
    std::string all;
    char bytes[256];
    ssize_t n;
    while (test::Readable(watched.warnings.get()) &&
           (n = read(watched.warnings.get(), bytes, sizeof(bytes))) > 0) {
      all.append(bytes, static_cast<size_t>(n));
    }
    return all;
  }

  PreforkRundir rundir;
  UniqueFd listener;
  PreforkWatched watched;
};

TEST_CASE("prefork watcher: a socket that is removed, replaced or moved is reported") {
  const std::string said = "the socket was removed or replaced\n";
  SUBCASE("removed") {
    Watched place;
    place.rundir.RemoveSocket("x");
    CHECK(place.Warnings() == said);
  }
  SUBCASE("replaced") {
    Watched place;
    REQUIRE(symlinkat("nothing", place.rundir.fd(), "lx") == 0);
    REQUIRE(renameat(place.rundir.fd(), "lx", place.rundir.fd(), "sx") == 0);
    CHECK(place.Warnings() == said);
  }
  SUBCASE("moved") {
    Watched place;
    REQUIRE(renameat(place.rundir.fd(), "sx", place.rundir.fd(), "lx") == 0);
    CHECK(place.Warnings() == said);
  }
}

TEST_CASE("prefork watcher: what else happens to a socket is not, nor is its server's end") {
  Watched place;
  CHECK(place.rundir.Connect("x"));
  REQUIRE(fchmodat(place.rundir.fd(), "sx", 0700, 0) == 0);
  place.watched.alive.Reset();
  CHECK(place.Warnings() == "");
}

TEST_CASE("prefork client: it ends as the script did") {
  const auto end = [](int status) {
    Pipe said;
    Process client = ForkProcess([&]() -> int {
      dup2(said.in.get(), STDERR_FILENO);
      signal(SIGTERM, SIG_IGN);
      EndAs(status, "it");
    });
    const std::string text = said.ReadAll();
    return std::make_pair(client.Wait(), text);
  };
  for (const int status : {0, 1 << 8, 255 << 8, SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGKILL}) {
    CHECK(end(status) == std::make_pair(status, std::string()));
  }
  const int failed = kPreforkFailed << 8;
  CHECK(end(SIGQUIT) ==
        std::make_pair(failed, std::string("linx-prefork: it died of signal 3 (Quit)\n")));
  CHECK(end(SIGTERM | 0x80) ==
        std::make_pair(
            failed, std::string("linx-prefork: it died of signal 15 (Terminated, core dumped)\n")));
  CHECK(end(0x7f).first == failed);
}

}  // namespace
}  // namespace linx
