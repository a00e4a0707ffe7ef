// The few fields of /proc/PID/stat that the agent relies on (proc_pid_stat(5)). No heap, no errno:
// the init uses it too.
#ifndef LINX_PROC_STAT_H_
#define LINX_PROC_STAT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace linx {

struct ProcStat {
  char name[16] = {};
  char state = '?';
  pid_t ppid = 0;
  uint32_t flags = 0;
  // 0 where the line ends before them, as the kernel's never does. Ticks are _SC_CLK_TCK's.
  uint64_t cpu_ticks = 0;       // its own, in user mode and in the kernel
  uint64_t children_ticks = 0;  // of the children that it waited for
  uint64_t start_ticks = 0;     // since boot: with the pid, the process's identity
  uint64_t resident_pages = 0;

  // PF_FORKNOEXEC: set by fork, cleared by exec, and still readable in a zombie.
  bool execed() const { return (flags & 0x40) == 0; }
  // PF_EXITING: set before the kernel closes the fds of one that ends.
  bool exiting() const { return (flags & 0x4) != 0; }
};

// False where `text` is not a stat line.
bool ParseProcStat(std::string_view text, ProcStat* out);

// Reads /proc/<pid>/stat below `proc_fd`, a directory fd of a proc file system that numbers
// processes as `pid` does. False where there is no such process.
bool ReadProcStat(int proc_fd, pid_t pid, ProcStat* out);

// The number that `proc_fd`'s proc file system gives the process of `pidfd`, an fd of the caller;
// 0 where it has none any more.
pid_t PidOf(int proc_fd, int pidfd);

// Whether a signal with its default action is lost on the process: it is PID 1 of its pid namespace
// and has no handler for it (pid_namespaces(7)).
bool LosesSignal(int proc_fd, pid_t pid, int signal);

// Decimal, without a terminating NUL; returns its length. `out` holds at least 11 bytes.
size_t FormatPid(pid_t pid, char* out);

}  // namespace linx

#endif  // LINX_PROC_STAT_H_
