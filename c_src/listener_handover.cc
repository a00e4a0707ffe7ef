#include "listener_handover.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include <cerrno>
#include <cstddef>

#include "channel.h"
#include "init.h"
#include "raw_syscall.h"

namespace linx {
namespace {

constexpr size_t kStackBytes = 16384;
// The child spends as long in one call of seccomp(2), or several.
constexpr long kLookEveryNs = 20'000;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

long ListenerHandover::Begin() {
  constexpr int kThread =
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  // There until the exec: the thread may still be on it when Give has returned.
  const long stack = raw::Call(SYS_mmap, nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack < 0) return stack;
  char* const top = reinterpret_cast<char*>(stack) + kStackBytes;
  const int made = ::clone(Run, top, kThread, this);
  return made < 0 ? -errno : 0;
}

int ListenerHandover::Run(void* self) {
  auto* handover = static_cast<ListenerHandover*>(self);
  const struct timespec pause = {0, kLookEveryNs};
  int listener;
  while ((listener = __atomic_load_n(&handover->listener_, __ATOMIC_ACQUIRE)) < 0) {
    raw::Call(SYS_nanosleep, &pause, nullptr);
  }
  Report report = {};
  report.kind = Report::Kind::listening;
  const long rc = SendReport(handover->channel_, report, listener);
  if (rc < 0) ReportFailure(handover->channel_, Stage::seccomp_listener, rc);
  __atomic_store_n(&handover->sent_, 1, __ATOMIC_RELEASE);
  for (;;) raw::Call(SYS_exit, 0);
}

void ListenerHandover::Give(int listener) {
  __atomic_store_n(&listener_, listener, __ATOMIC_RELEASE);
  while (__atomic_load_n(&sent_, __ATOMIC_ACQUIRE) == 0) Relax();
}

}  // namespace linx
