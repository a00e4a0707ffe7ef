// linx-prefork: runs a script in a fork of one that has started before. Stands on a #! line.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prefork_call.h"
#include "prefork_client.h"
#include "prefork_fatal.h"
#include "prefork_ident.h"
#include "prefork_options.h"
#include "prefork_rundir.h"
#include "prefork_start.h"

namespace linx {
namespace {

using Mode = PreforkOptions::Mode;

// A server that ends just as it is called has another one started. This many in a row are no
// chance.
constexpr int kAttempts = 5;

// No other fd may take the place of one of these.
void FillStandardFds() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR | O_NOCTTY);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

std::optional<PreforkCall> CallServer(const PreforkRundir& rundir, const std::string& ident) {
  UniqueFd socket = rundir.Connect(ident);
  if (!socket) return std::nullopt;
  PreforkCall call(std::move(socket));
  if (!AwaitGreeting(call)) return std::nullopt;
  return call;
}

// A call that has been greeted.
PreforkCall Call(const PreforkRundir& rundir, const std::string& ident,
                 const PreforkOptions& options, bool fresh) {
  if (fresh) {
    // Ahead of the lock: who has it may wait for the server that this ends.
    rundir.RemoveSocket(ident);
  } else if (std::optional<PreforkCall> call = CallServer(rundir, ident)) {
    return std::move(*call);
  }
  const UniqueFd lock = rundir.Lock(ident);
  if (!fresh) {
    // Somebody else may have started it while this waited.
    if (std::optional<PreforkCall> call = CallServer(rundir, ident)) return std::move(*call);
  }
  return StartPrefork(rundir, ident, options);
}

void Kill(const PreforkRundir& rundir, const std::string& ident) {
  rundir.RemoveSocket(ident);
  const UniqueFd lock = rundir.TryLock(ident);
  if (lock) rundir.RemoveLock(ident);
}

// By prefork-interp's name this is prefork-interp, which says more than the script's arguments.
std::vector<std::string> ArgumentsOf(const PreforkOptions& options, const std::string& called) {
  const size_t name = called.rfind('/') + 1;
  if (called.compare(name, std::string::npos, "prefork-interp") != 0) return options.arguments;
  std::vector<std::string> all = options.program;
  if (options.script) all.push_back(*options.script);
  all.insert(all.end(), options.arguments.begin(), options.arguments.end());
  return all;
}

// A run whose monitor was killed: what the monitor would have done for a client that has gone.
void EndOrphans(const PreforkCall& call) {
  if (call.monitor() > 1) kill(-call.monitor(), SIGINT);
}

[[noreturn]] void RunScript(const PreforkRundir& rundir, const std::string& ident,
                            const PreforkOptions& options, const std::string& called) {
  const std::vector<std::string> env(
      environ, environ + [] {
        size_t count = 0;
        while (environ[count] != nullptr) ++count;
        return count;
      }());
  const std::string settings = PreforkSettings(env, ArgumentsOf(options, called));
  bool fresh = options.mode == Mode::fresh;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    PreforkCall call = Call(rundir, ident, options, fresh);
    PerformRun(call, settings);
    if (call.wait_status()) EndAs(*call.wait_status(), "the script");
    if (call.error()->stage == Stage::prefork_status) {
      EndOrphans(call);
      PreforkFatal("the process that the script belongs to is gone, and how it ended unknown");
    }
    // It may have been bad luck. Next it is the server that is bad.
    fresh = attempt > 0;
  }
  PreforkFatal("the script's server ends whenever it is called");
}

int Main(int argc, char** argv) {
  FillStandardFds();
  PreforkOptions options;
  const std::string wrong = ParsePreforkOptions({argv, argv + argc}, options);
  if (!wrong.empty()) {
    std::fprintf(stderr, "linx-prefork: %s\n%s", wrong.c_str(), kPreforkHelp);
    return kPreforkUsage;
  }
  if (options.mode == Mode::help) {
    std::fputs(kPreforkHelp, stdout);
    return 0;
  }
  const std::string ident = PreforkIdent(options);
  const PreforkRundir rundir = PreforkRundir::Open();
  if (options.mode == Mode::kill) {
    Kill(rundir, ident);
    return 0;
  }
  RunScript(rundir, ident, options, argc > 0 ? argv[0] : "");
}

}  // namespace
}  // namespace linx

int main(int argc, char** argv) { return linx::Main(argc, argv); }
