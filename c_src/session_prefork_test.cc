#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "channel.h"
#include "session.h"
#include "test_beam.h"
#include "test_streams.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::ForkProcess;
using test::IsAlive;
using test::Process;
using test::Spawn;
using test::Tuple;

// A listening socket in a directory of its own.
struct Listener {
  Listener() {
    REQUIRE(mkdtemp(directory) != nullptr);
    path = std::string(directory) + "/s";
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    socket.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(socket.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(socket.get(), 8) == 0);
  }
  ~Listener() {
    unlink(path.c_str());
    rmdir(directory);
  }
  char directory[32] = "/tmp/linx-test-XXXXXX";
  std::string path;
  UniqueFd socket;
};

// The monitor's side of one run, in its process.
struct Call {
  int socket;
  int fds[3] = {-1, -1, -1};
  std::string strings;

  void Greet() { Write(std::string("PFI\n\0\0\0\0", 8)); }
  void Write(const std::string& bytes) {
    if (write(socket, bytes.data(), bytes.size()) < 0) _exit(9);
  }
  void ReadAll(void* to, size_t size) {
    char* at = static_cast<char*>(to);
    while (size > 0) {
      const ssize_t n = read(socket, at, size);
      if (n <= 0) _exit(8);
      at += n;
      size -= static_cast<size_t>(n);
    }
  }
  int ReadFd() {
    char byte;
    int fd = -1;
    if (ReceiveRecord(socket, &byte, 1, &fd, 0) != 1) _exit(7);
    return fd;
  }
  void Take() {
    ReadFd();
    for (int& fd : fds) fd = ReadFd();
    unsigned char size[4];
    ReadAll(size, 4);
    strings.resize(size_t{size[0]} << 24 | size[1] << 16 | size[2] << 8 | size[3]);
    ReadAll(strings.data(), strings.size());
  }
  void End(int status) {
    Write({static_cast<char>(status >> 24), static_cast<char>(status >> 16),
           static_cast<char>(status >> 8), static_cast<char>(status)});
  }
  // Until the client wants it to end.
  void AwaitHangUp() {
    char byte;
    while (read(socket, &byte, 1) > 0) {
    }
  }
};

// A monitor that answers one call.
Process Monitor(const Listener& listener, const std::function<void(Call&)>& body) {
  return ForkProcess([&] {
    setpgid(0, 0);
    Call call{accept(listener.socket.get(), nullptr, nullptr), {-1, -1, -1}, {}};
    body(call);
    return 0;
  });
}

std::string Run(const Listener& listener, test::Pairs pairs = {},
                const std::vector<std::string>& args = {"a", "b"}) {
  pairs.emplace_back(Atom("prefork"), Tuple({Atom("connect_unix"), Binary(listener.path)}));
  pairs.emplace_back(Atom("env"), test::Binaries({"A=1"}));
  pairs.push_back(Flag("usage", false));
  return Spawn(args, pairs);
}

void Greeted(Beam& beam, pid_t monitor) {
  CHECK(beam.Next() == "{:status, :spawned, " + std::to_string(monitor) + "}");
  CHECK(beam.Next() == "{:status, :ready, " + std::to_string(monitor) + "}");
}

void Running(Beam& beam, pid_t monitor) {
  Greeted(beam, monitor);
  CHECK(beam.Next() == "{:status, :running}");
}

TEST_CASE("prefork run: parked, handed over, and ended by its status") {
  Listener listener;
  Process monitor = Monitor(listener, [](Call& call) {
    call.Greet();
    call.Take();
    const bool right = call.strings == std::string("A=1\0\0a\0b\0", 9);
    if (write(call.fds[1], right ? "right" : "wrong", 5) != 5) _exit(6);
    call.End(3 << 8);
  });
  {
    Beam beam;
    beam.Send(Run(listener, {{Atom("stdio"), Atom("pipe")}}));
    Greeted(beam, monitor.pid());
    beam.TurnAll();
    CHECK(beam.nothing_came());
    beam.Send(Atom("proceed"));
    CHECK(beam.Next() == "{:status, :running}");
    const test::Said said = test::NextUntilEnd(beam);
    CHECK(said.out == "right");
    CHECK(said.rest == "{:status, :exited, 3}");
  }
  CHECK(monitor.ExitCode() == 0);
}

TEST_CASE("prefork run: it does not stop at the checkpoint where nobody wants that") {
  Listener listener;
  Process monitor = Monitor(listener, [](Call& call) {
    call.Greet();
    call.Take();
    call.End(SIGSEGV | 0x80);
  });
  Beam beam;
  beam.Send(Run(listener, {Flag("auto_proceed")}));
  Running(beam, monitor.pid());
  CHECK(beam.Next() == "{:status, :signaled, 11}");
}

TEST_CASE("prefork run: an abort at the checkpoint closes it, and nothing has run") {
  Listener listener;
  Process monitor = Monitor(listener, [](Call& call) {
    call.Greet();
    call.AwaitHangUp();
  });
  {
    Beam beam;
    beam.Send(Run(listener));
    Greeted(beam, monitor.pid());
    beam.Send(Atom("abort"));
    CHECK(beam.Next() == "{:status, :aborted, " + std::to_string(monitor.pid()) + "}");
  }
  CHECK(monitor.ExitCode() == 0);
}

TEST_CASE("prefork run: requests to end are passed on, and the status still comes") {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    Listener listener;
    Process monitor = Monitor(listener, [](Call& call) {
      call.Greet();
      call.Take();
      call.AwaitHangUp();
      call.End(SIGINT);
    });
    Beam beam;
    beam.Send(Run(listener, {Flag("auto_proceed")}));
    Running(beam, monitor.pid());
    beam.Send(test::Signal(SIGUSR1));
    CHECK(beam.Next() == "{:refused, 95, :signal}");
    beam.Send(test::Signal(number));
    CHECK(beam.Next() == "{:status, :signaled, 2}");
  }
}

TEST_CASE("prefork run: SIGKILL and an abort end its process group") {
  for (const std::string& end : {Atom("abort"), test::Signal(SIGKILL)}) {
    Listener listener;
    test::Pipe executor;
    Process monitor = Monitor(listener, [&](Call& call) {
      call.Greet();
      call.Take();
      const pid_t pid = fork();
      if (pid == 0) {
        for (;;) pause();
      }
      const std::string line = std::to_string(pid) + "\n";
      if (write(executor.in.get(), line.data(), line.size()) < 0) _exit(6);
      for (;;) pause();
    });
    Beam beam;
    beam.Send(Run(listener, {Flag("auto_proceed")}));
    Running(beam, monitor.pid());
    const pid_t pid = std::stoi(executor.ReadLine());
    beam.Send(end);
    CHECK(beam.Next() == "{:status, :signaled, 9}");
    // It came to the agent, which is a subreaper and may have reaped it.
    CHECK(test::Eventually([&] {
      waitpid(pid, nullptr, WNOHANG);
      return kill(pid, 0) < 0;
    }));
  }
}

TEST_CASE("prefork run: each early end has a stage that tells whether it ran") {
  struct Case {
    std::function<void(Call&)> monitor;
    const char* end;
  };
  const Case cases[] = {
      {[](Call&) {}, "{:error, 104, :prefork_greeting}"},
      {[](Call& call) { call.Write("HTTP/1.1"); }, "{:error, 71, :prefork_greeting}"},
      {[](Call& call) {
         call.Greet();
         call.Take();
       },
       "{:error, 104, :prefork_status}"},
      {[](Call& call) {
         call.Greet();
         call.Take();
         call.Write("\1");
       },
       "{:error, 71, :prefork_status}"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.end);
    Listener listener;
    Process monitor = Monitor(listener, one.monitor);
    Beam beam;
    beam.Send(Run(listener, {Flag("auto_proceed")}));
    CHECK(test::NextUntilEnd(beam).rest.find(one.end) != std::string::npos);
  }
  Beam beam;
  Listener listener;
  listener.socket.Reset();
  beam.Send(Run(listener));
  CHECK(beam.Next() == "{:error, 111, :prefork_connect}");
}

TEST_CASE("prefork run: it is asked to end with the BEAM, and killed after the grace") {
  Listener listener;
  Process monitor = Monitor(listener, [](Call& call) {
    call.Greet();
    call.Take();
    for (;;) pause();
  });
  {
    Beam beam;
    beam.Send(Run(listener, {Flag("auto_proceed"), test::KillAfter(20)}));
    Running(beam, monitor.pid());
    beam.CloseInput();
    CHECK(beam.Next() == "{:status, :signaled, 9}");
  }
  CHECK(monitor.EndSignal() == SIGKILL);
}

TEST_CASE("prefork run: what its processes would have to do is refused") {
  Listener listener;
  Process monitor = Monitor(listener, [](Call& call) {
    call.Greet();
    call.Take();
    call.AwaitHangUp();
    call.End(0);
  });
  Beam beam;
  beam.Send(Run(listener));
  Greeted(beam, monitor.pid());
  beam.Send(Tuple({Atom("cap_drop_bounding"), test::Uint(1)}));
  CHECK(beam.Next() == "{:refused, 95, :cap_drop_bounding}");
  beam.Send(Atom("proceed"));
  CHECK(beam.Next() == "{:status, :running}");
  for (const char* command : {"pause", "resume", "stats"}) {
    beam.Send(Atom(command));
    CHECK(beam.Next() == std::string("{:refused, 95, :") + command + "}");
  }
  beam.Send(test::Signal(SIGTERM));
  CHECK(beam.Next() == "{:status, :exited, 0}");
}

TEST_CASE("prefork run: a request for more than a running script can be given is malformed") {
  for (const char* key : {"init", "forking", "no_new_privs"}) {
    Beam beam;
    Listener listener;
    beam.Send(Run(listener, {Flag(key)}));
    CHECK(beam.Next() == "{:error, 22, :malformed_request}");
  }
}

}  // namespace
}  // namespace linx
