// What compiled filters do in the kernel. On x86_64, where one process can make calls of three
// kinds.
#ifdef __x86_64__

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "seccomp_rules.h"

namespace linx {
namespace {

constexpr long kX32Bit = 0x40000000;
constexpr uint64_t kHighBit = uint64_t{1} << 32;
constexpr int kNotInstalled = 255;

// How a child ends that installs the filter and exits with what `call` answers.
int StatusUnder(const SeccompRules& rules, int (*call)()) {
  Result<std::string> bpf = CompileSeccomp(rules);
  REQUIRE(bpf.ok());
  sock_fprog program{};
  program.len = static_cast<unsigned short>(bpf.value().size() / kFilterInstructionBytes);
  program.filter = reinterpret_cast<sock_filter*>(bpf.value().data());
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // A core file would only take time.
    const bool installed = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
    _exit(installed ? call() : kNotInstalled);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

bool Exited(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

bool KilledByFilter(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }

// The errno of an ioctl on no fd at all, which is EBADF where it gets as far as the kernel's.
int Ioctl(uint64_t command) { return syscall(SYS_ioctl, -1L, command, 0L) == 0 ? 0 : errno; }

// By no more than one call: the _exit of sanitizers makes others.
int EndWithErrnoOf(long number) {
  return static_cast<int>(syscall(SYS_exit_group, syscall(number) < 0 ? errno : 0));
}

SeccompRules With(SeccompAction action, const char* syscall, std::vector<SeccompArg> args = {}) {
  return {SCMP_ACT_ALLOW, {{action, syscall, std::move(args)}}};
}

TEST_CASE("calls of x32 and of i386 kill the process, even where all is allowed") {
  const SeccompRules all{SCMP_ACT_ALLOW, {}};
  CHECK(Exited(StatusUnder(all, [] { return syscall(SYS_getpid) == getpid() ? 7 : 8; }), 7));
  CHECK(KilledByFilter(StatusUnder(all, [] {
    syscall(kX32Bit | SYS_getpid);
    return 0;
  })));
  CHECK(KilledByFilter(StatusUnder(all, [] {
    long getpid_of_i386 = 20;
    __asm__ volatile("int $0x80" : "+a"(getpid_of_i386) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
  })));
}

TEST_CASE("each action is the kernel's") {
  const auto getppid = [] { return syscall(SYS_getppid) < 0 ? errno : 0; };
  CHECK(Exited(StatusUnder(With(SCMP_ACT_ERRNO(5), "getppid"), getppid), 5));
  CHECK(Exited(StatusUnder(With(SCMP_ACT_LOG, "getppid"), getppid), 0));
  for (const SeccompAction action : {SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD, SCMP_ACT_TRAP}) {
    CHECK(KilledByFilter(StatusUnder(With(action, "getppid"), getppid)));
  }
}

TEST_CASE("where the default is an errno, calls that nobody can name are not there") {
  const auto unnamed = [] { return EndWithErrnoOf(1000); };
  const SeccompRule ends{SCMP_ACT_ALLOW, "exit_group", {}};
  CHECK(Exited(StatusUnder({SCMP_ACT_ERRNO(EPERM), {ends}}, unnamed), ENOSYS));
  CHECK(Exited(
      StatusUnder({SCMP_ACT_ERRNO(EPERM), {ends}}, [] { return EndWithErrnoOf(SYS_getppid); }),
      EPERM));
  CHECK(KilledByFilter(StatusUnder({SCMP_ACT_KILL_PROCESS, {ends}}, unnamed)));
}

TEST_CASE("bits that the kernel ignores of a command do not get it past a masked comparison") {
  const SeccompArg typed{1, SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI};
  const SeccompRules rules = With(SCMP_ACT_ERRNO(EPERM), "ioctl", {typed});
  CHECK(Exited(StatusUnder(rules, [] { return Ioctl(TIOCSTI); }), EPERM));
  CHECK(Exited(StatusUnder(rules, [] { return Ioctl(TIOCSTI | kHighBit); }), EPERM));
  CHECK(Exited(StatusUnder(rules, [] { return Ioctl(TIOCGWINSZ); }), EBADF));
}

TEST_CASE("a command that alone is let through is compared in all its bits") {
  const SeccompRules rules =
      With(SCMP_ACT_ERRNO(EPERM), "ioctl", {{1, SCMP_CMP_NE, TIOCGWINSZ, 0}});
  CHECK(Exited(StatusUnder(rules, [] { return Ioctl(TIOCGWINSZ); }), EBADF));
  CHECK(Exited(StatusUnder(rules, [] { return Ioctl(TIOCGWINSZ | kHighBit); }), EPERM));
  CHECK(Exited(StatusUnder(rules, [] { return Ioctl(TIOCSTI); }), EPERM));
}

}  // namespace
}  // namespace linx

#endif  // __x86_64__
