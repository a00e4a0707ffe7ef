#include "clone.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <memory>

#include "raw_syscall.h"
#include "test_process.h"

namespace linx {
namespace {

// A fork that waits for its death.
struct Forked {
  explicit Forked(uint64_t flags) {
    int fd = -1;
    result = Fork(flags, &fd);
    if (result == 0) {
      for (;;) raw::Call(SYS_pause);
    }
    pidfd.Reset(fd);
    if (result > 0) process = test::Process(static_cast<pid_t>(result));
  }
  long result;
  UniqueFd pidfd;
  test::Process process;
};

TEST_CASE("a fork comes with a pidfd that no exec'd program gets") {
  Forked child(0);
  REQUIRE(child.result > 0);
  REQUIRE(child.pidfd);
  CHECK((fcntl(child.pidfd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(PidOf(test::OpenProc().get(), child.pidfd.get()) == child.result);
  CHECK(syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0) == 0);
  CHECK(child.process.EndSignal() == SIGKILL);
}

TEST_CASE("a fork has its own copy of the memory") {
  volatile int value = 1;
  int fd = -1;
  const long pid = Fork(0, &fd);
  if (pid == 0) {
    value = 2;
    raw::Exit(value);
  }
  const UniqueFd pidfd(fd);
  REQUIRE(pid > 0);
  CHECK(test::Process(static_cast<pid_t>(pid)).ExitCode() == 2);
  CHECK(value == 1);
}

TEST_CASE("a fork is born in the fresh namespaces that were asked for") {
  constexpr struct {
    uint64_t flag;
    const char* link;
  } kNamespaces[] = {
      {CLONE_NEWNS, "mnt"},
      {CLONE_NEWUTS, "uts"},
      {CLONE_NEWIPC, "ipc"},
      {CLONE_NEWNET, "net"},
      {CLONE_NEWPID, "pid"},
      {CLONE_NEWCGROUP, "cgroup"},
      {0x80 /* NEWTIME */, "time_for_children"},
      {CLONE_NEWUSER, "user"},
  };
  // Whoever may not make namespaces may do so in a user namespace of his own.
  const bool privileged = test::HasCapability(CAP_SYS_ADMIN);
  for (const auto& ns : kNamespaces) {
    CAPTURE(ns.link);
    Forked child(ns.flag | (privileged ? 0 : CLONE_NEWUSER));
    if (!privileged && !test::HasUserNamespaces()) {
      CHECK(child.result == -EPERM);
      continue;
    }
    REQUIRE(child.result > 0);
    const std::string link = std::string("ns/") + ns.link;
    CHECK(test::ReadLink(test::ProcPath(child.process.pid(), link)) !=
          test::ReadLink(test::ProcPath(getpid(), link)));
  }
}

TEST_CASE("without the privilege a fresh namespace is refused") {
  test::Process process = test::ForkProcess([] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0) return 1;
    int fd = -1;
    const long pid = Fork(CLONE_NEWUTS, &fd);
    if (pid == 0) raw::Exit(0);
    return pid == -EPERM && fd == -1 ? 0 : 2;
  });
  CHECK(process.ExitCode() == 0);
}

// The helper that enters namespaces makes its child so, and exits.
TEST_CASE("a sibling is the caller's parent's child, and signals its end") {
  test::Pipe pids;
  test::Process maker = test::ForkProcess([&] {
    int fd = -1;
    const long pid = Fork(CLONE_PARENT, &fd);
    if (pid == 0) raw::Exit(9);
    dprintf(pids.in.get(), "%ld\n", pid);
    return 0;
  });
  test::Process sibling(std::stoi(pids.ReadLine()));
  CHECK(maker.ExitCode() == 0);
  CHECK(sibling.ExitCode() == 9);
}

struct Shared {
  volatile int value = 0;
  volatile pid_t pid = 0;
};

int Touch(void* argument) {
  auto* shared = static_cast<Shared*>(argument);
  shared->pid = static_cast<pid_t>(raw::Call(SYS_getpid));
  shared->value = 5;
  return 3;
}

TEST_CASE("a child that shares the memory writes to ours") {
  constexpr size_t kStack = 64 << 10;
  const std::unique_ptr<char[]> stack(new char[kStack]);
  Shared shared;
  int fd = -1;
  const long pid = CloneSharing(0, Touch, &shared, stack.get(), kStack, &fd);
  REQUIRE(pid > 0);
  const UniqueFd pidfd(fd);
  CHECK((fcntl(pidfd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(test::Readable(pidfd.get()));
  test::Process process(static_cast<pid_t>(pid));
  CHECK(process.ExitCode() == 3);
  CHECK(shared.value == 5);
  CHECK(shared.pid == pid);
}

TEST_CASE("where no process can be made the errno is the answer") {
  test::Process process = test::ForkProcess([] {
    if (geteuid() == 0 && setresuid(61000, 61000, 61000) < 0) return 1;
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NPROC, &none) < 0) return 2;
    int fd = -1;
    char stack[16384];
    Shared shared;
    if (Fork(0, &fd) != -EAGAIN || fd != -1) return 3;
    return CloneSharing(0, Touch, &shared, stack, sizeof(stack), &fd) == -EAGAIN ? 0 : 4;
  });
  CHECK(process.ExitCode() == 0);
}

}  // namespace
}  // namespace linx
