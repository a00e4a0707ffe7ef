#include "map_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace linx {
namespace {

// It may have to ask a directory service who the user is.
constexpr uint32_t kDeadlineMs = 10'000;

}  // namespace

void MapProgram::Start(std::vector<std::string> argv, int directory) {
  path_ = argv[0];
  const Status launched = Launch(std::move(argv), directory);
  if (launched.ok()) return;
  outcome_ = launched;
  on_end_();
}

Status MapProgram::Launch(std::vector<std::string> argv, int directory) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return Error::Last(Stage::pipe2);
  ours_ = MoveHigh(UniqueFd(fds[0]));
  theirs_.Reset(fds[1]);
  // It is read when the program is dead, and a fork of it may still hold the other end.
  fcntl(ours_.get(), F_SETFL, O_NONBLOCK);
  Plan plan;
  plan.argv = std::move(argv);
  plan.env = {"LC_ALL=C"};
  plan.auto_proceed = true;
  const LentFds lent{{directory, theirs_.get(), theirs_.get()}, {}};
  Result<Launched> launched = context_.launcher.Spawn(plan, lent);
  if (!launched.ok()) return launched.error();
  timer_ = context_.loop.After(kDeadlineMs, Handler::To<&MapProgram::OnTimeout>(this));
  workload_.Start(launched.Take());
  return {};
}

void MapProgram::OnTimeout() {
  outcome_ = Error::Of(stage_, ETIMEDOUT, path_);
  Stop();
}

void MapProgram::OnFailed(const Error& error, int32_t) {
  outcome_ = Error::Of(stage_, error.code, path_);
}

void MapProgram::OnEnd(const End& end) {
  timer_.Reset();
  if (outcome_.ok() && (end.kind != End::Kind::exited || end.code != 0)) {
    outcome_ = Error::Of(stage_, EPERM, FirstLine());
  }
  on_end_();
}

std::string MapProgram::FirstLine() {
  char text[512];
  const ssize_t n = read(ours_.get(), text, sizeof(text));
  std::string line(text, n > 0 ? static_cast<size_t>(n) : 0);
  line.resize(std::min(line.size(), line.find('\n')));
  return line.empty() ? path_ : line;
}

}  // namespace linx
