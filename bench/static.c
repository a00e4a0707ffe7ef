// A workload that exits 0 at once.
#include "bare.h"

#ifdef LINX_BENCH_BARE
#include <sys/syscall.h>

void _start(void) {
  for (;;) BareSyscall(SYS_exit_group, 0, 0, 0, 0);
}
#else
int main(void) { return 0; }
#endif
