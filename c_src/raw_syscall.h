// System calls for code that runs between clone and execve, and for the init.
//
// Such code may share its parent's memory (CLONE_VM) and has no heap. It must touch neither errno,
// which is the parent's, nor locks. raw::Call answers what the kernel answers: a result, or a
// negative errno.
#ifndef LINX_RAW_SYSCALL_H_
#define LINX_RAW_SYSCALL_H_

#include <sys/syscall.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <unistd.h>

#include <cerrno>
#endif

namespace linx::raw {

// Whether Call keeps away from errno, so that a child may share the agent's memory.
#if defined(__x86_64__) || defined(__aarch64__)
constexpr bool kLeavesErrnoAlone = true;
#else
constexpr bool kLeavesErrnoAlone = false;
#endif

inline long Invoke(long nr, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long ret;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(ret)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return ret;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = nr;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory", "cc");
  return x0;
#else
  const long ret = ::syscall(nr, a, b, c, d, e, f);
  return ret < 0 ? -errno : ret;
#endif
}

// The kernel takes six words; pointers and integers of any width are passed as such.
template <typename T>
inline long Word(T value) {
  return static_cast<long>(value);
}
template <typename T>
inline long Word(T* value) {
  return reinterpret_cast<long>(value);
}
inline long Word(decltype(nullptr)) { return 0; }

template <typename A = long, typename B = long, typename C = long, typename D = long,
          typename E = long, typename F = long>
inline long Call(long nr, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) {
  return Invoke(nr, Word(a), Word(b), Word(c), Word(d), Word(e), Word(f));
}

// Ends the process even where a seccomp filter denies exit_group: then by an illegal instruction.
[[noreturn]] inline void Exit(int code) {
  for (;;) {
    Call(SYS_exit_group, code);
    __builtin_trap();
  }
}

}  // namespace linx::raw

#endif  // LINX_RAW_SYSCALL_H_
