#include "sealed_self.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "test_process.h"

namespace linx {
namespace {

TEST_CASE("a program that was started from its file does not run sealed") {
  CHECK_FALSE(RunsSealed());
}

TEST_CASE("a sealed copy runs the same program with the same arguments") {
  test::Pipe out;
  test::Process process = test::ForkProcess([&] {
    dup2(out.in.get(), 1);
    char name[] = "linx_test", argument[] = "--version";
    char* argv[] = {name, argument, nullptr};
    ExecSealed(argv);
    return 1;
  });
  CHECK(out.ReadAll().find("doctest version") != std::string::npos);
  CHECK(process.ExitCode() == 0);
}

TEST_CASE("the copy cannot be written through /proc") {
  // A full pipe keeps the program in its first write.
  test::Pipe full;
  fcntl(full.in.get(), F_SETFL, O_NONBLOCK);
  while (write(full.in.get(), "", 1) == 1) {
  }
  fcntl(full.in.get(), F_SETFL, 0);
  test::Process process = test::ForkProcess([&] {
    dup2(full.in.get(), 1);
    char name[] = "linx_test", argument[] = "--version";
    char* argv[] = {name, argument, nullptr};
    ExecSealed(argv);
    return 1;
  });
  const std::string exe = test::ProcPath(process.pid(), "exe");
  CHECK(test::Eventually([&] { return test::ReadLink(exe).rfind("/memfd:linx_process", 0) == 0; }));
  const UniqueFd writable(open(exe.c_str(), O_WRONLY | O_CLOEXEC));
  CHECK_FALSE(static_cast<bool>(writable));
  CHECK((errno == ETXTBSY || errno == EPERM || errno == EACCES));
}

}  // namespace
}  // namespace linx
