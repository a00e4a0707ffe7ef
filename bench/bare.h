// Programs without a C library, for workloads whose own start-up must not be seen: on a virtual
// machine a libc's start alone takes longer than all that is measured here.
#ifndef LINX_BENCH_BARE_H_
#define LINX_BENCH_BARE_H_

#if defined(__x86_64__)
#define LINX_BENCH_BARE 1
static inline long BareSyscall(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
#define LINX_BENCH_BARE 1
static inline long BareSyscall(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#endif

#endif  // LINX_BENCH_BARE_H_
