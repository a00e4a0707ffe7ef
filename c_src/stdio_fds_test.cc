#include "stdio_fds.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "test_listener.h"
#include "test_process.h"

namespace linx {
namespace {

using test::Directory;
using test::Listener;

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

TEST_CASE("of a pipe the workload gets the end that blocks") {
  StdioFds fds;
  const Stdio pipe{StdioKind::pipe, {}};
  REQUIRE(Open(Wanted{pipe, pipe, pipe}, &fds).ok());
  for (const size_t i : {0, 1, 2}) {
    CHECK((fcntl(fds.fd[i].get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK((fcntl(fds.ours[i].get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK(IsCloseOnExec(fds.fd[i]));
    CHECK(IsCloseOnExec(fds.ours[i]));
    CHECK(fds.ours[i].get() >= kHighFds);
    const int reader = (i == 0 ? fds.fd : fds.ours)[i].get();
    const int writer = (i == 0 ? fds.ours : fds.fd)[i].get();
    char byte = 0;
    CHECK(write(writer, "x", 1) == 1);
    CHECK(read(reader, &byte, 1) == 1);
    CHECK(byte == 'x');
  }
}

TEST_CASE("stderr as stdout needs no fd of its own") {
  const Stdio same{StdioKind::like_stdout, {}};
  StdioFds fds;
  REQUIRE(Open(Wanted{Stdio{}, Stdio{StdioKind::pipe, {}}, same}, &fds).ok());
  CHECK(fds.workload(2) == fds.fd[1].get());
  CHECK_FALSE(static_cast<bool>(fds.ours[2]));
  StdioFds inherited;
  REQUIRE(Open(Wanted{Stdio{}, Stdio{}, same}, &inherited).ok());
  CHECK(inherited.workload(1) == -1);
  CHECK(inherited.workload(2) == STDOUT_FILENO);
}

Stdio File(const std::string& path, FileMode mode) { return {StdioKind::file, path, mode}; }

TEST_CASE("a file is made for its owner alone, emptied, appended to and read") {
  const Directory directory;
  const std::string path = directory.file;
  const auto write_to = [&](FileMode mode, const char* text) {
    StdioFds fds;
    REQUIRE(Open(Wanted{Stdio{}, File(path, mode)}, &fds).ok());
    CHECK((fcntl(fds.fd[1].get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK(((fcntl(fds.fd[1].get(), F_GETFL) & O_APPEND) != 0) == (mode == FileMode::append));
    CHECK(IsCloseOnExec(fds.fd[1]));
    CHECK(write(fds.fd[1].get(), text, std::strlen(text)) > 0);
  };
  write_to(FileMode::append, "one ");
  struct stat file;
  REQUIRE(stat(path.c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
  write_to(FileMode::append, "two");
  CHECK(test::ReadFile(path) == "one two");
  write_to(FileMode::write, "three");
  CHECK(test::ReadFile(path) == "three");
  StdioFds fds;
  REQUIRE(Open(Wanted{File(path, FileMode::read)}, &fds).ok());
  char text[8];
  CHECK(read(fds.fd[0].get(), text, sizeof(text)) == 5);
  CHECK(write(fds.fd[0].get(), "x", 1) == -1);
}

TEST_CASE("a fifo is opened without waiting for its other end") {
  const Directory directory;
  const std::string path = directory.file;
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  StdioFds writer;
  const Status status = Open(Wanted{Stdio{}, File(path, FileMode::write)}, &writer);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().stage == Stage::open_file);
  CHECK(status.error().code == ENXIO);
  StdioFds reader;
  REQUIRE(Open(Wanted{File(path, FileMode::read)}, &reader).ok());
  CHECK((fcntl(reader.fd[0].get(), F_GETFL) & O_NONBLOCK) == 0);
  CHECK(Open(Wanted{Stdio{}, File(path, FileMode::write)}, &writer).ok());
}

TEST_CASE("a file that cannot be opened is the error's detail") {
  const auto fails = [](const std::string& path, FileMode mode) {
    StdioFds fds;
    const Status status = Open(Wanted{File(path, mode)}, &fds);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().stage == Stage::open_file);
    CHECK(status.error().detail == path);
    return status.error().code;
  };
  CHECK(fails("/no/such/file", FileMode::read) == ENOENT);
  CHECK(fails("/no/such/file", FileMode::write) == ENOENT);
  CHECK(fails("/dev/null/file", FileMode::append) == ENOTDIR);
  // A directory of the host would be a way out of a root.
  CHECK(fails("/", FileMode::read) == EISDIR);
  CHECK(fails("/tmp", FileMode::write) == EISDIR);
}

TEST_CASE("where fds run out the error has its stage, and nothing is left open") {
  test::Process process = test::ForkProcess([] {
    Links links;
    const Stdio pipe{StdioKind::pipe, {}};
    const std::array<Wanted, 3> all = {
        Wanted{pipe, pipe, pipe},
        Wanted{File("/dev/null", FileMode::read), File("/dev/null", FileMode::write)},
        Wanted{Stdio{StdioKind::link, "a", FileMode::read},
               Stdio{StdioKind::link, "b", FileMode::write}}};
    for (const Wanted& wanted : all) {
      const Stage stage = wanted[0].kind == StdioKind::file ? Stage::open_file : Stage::pipe2;
      const int next = dup(0);
      close(next);
      for (int allowed = 0; allowed < 100; ++allowed) {
        const struct rlimit few = {static_cast<rlim_t>(next + allowed), 4096};
        if (setrlimit(RLIMIT_NOFILE, &few) < 0) return 1;
        bool ok;
        {
          StdioFds fds;
          const Status status = OpenStdio(wanted, &links, 1, &fds);
          ok = status.ok();
          if (!ok && (status.error().stage != stage || status.error().code != EMFILE)) return 2;
        }
        links.Drop(1);
        if (ok) break;
        const int again = dup(0);
        if (again >= 0 && again != next) return 3;
        close(again);
      }
    }
    return 0;
  });
  CHECK(process.ExitCode() == 0);
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
