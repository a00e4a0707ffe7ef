// A workload that sleeps until a signal ends it.
#include "bare.h"

#ifdef LINX_BENCH_BARE
#include <sys/syscall.h>

void _start(void) {
  // ppoll of nothing, for ever: aarch64 has no pause.
  for (;;) BareSyscall(SYS_ppoll, 0, 0, 0, 0);
}
#else
#include <unistd.h>

int main(void) {
  for (;;) pause();
}
#endif
