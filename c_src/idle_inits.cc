#include "idle_inits.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

namespace linx {

std::optional<IdleInit> IdleInits::Take() {
  if (inits_.empty()) return std::nullopt;
  IdleInit taken = std::move(inits_.back());
  inits_.pop_back();
  return taken;
}

bool IdleInits::Has(pid_t pid) const {
  return std::any_of(inits_.begin(), inits_.end(),
                     [pid](const IdleInit& init) { return init.process.pid == pid; });
}

void IdleInits::Bury(pid_t pid) {
  const auto dead = std::find_if(inits_.begin(), inits_.end(),
                                 [pid](const IdleInit& init) { return init.process.pid == pid; });
  if (dead != inits_.end() && waitpid(pid, nullptr, WNOHANG) == pid) inits_.erase(dead);
}

void IdleInits::Clear() {
  for (const IdleInit& init : inits_) End(init);
  inits_.clear();
}

// Not reaped before, so the pid is still its own.
void IdleInits::End(const IdleInit& init) {
  kill(init.process.pid, SIGKILL);
  waitpid(init.process.pid, nullptr, 0);
}

}  // namespace linx
