// One child in eight fresh namespaces, by the shortest way there is.
#ifndef LINX_BENCH_NAMESPACES_H_
#define LINX_BENCH_NAMESPACES_H_

#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// fork(2) into namespaces of the child's own.
static inline pid_t ForkInNamespaces(void) {
  struct clone_args args;
  memset(&args, 0, sizeof(args));
  args.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP |
               CLONE_NEWNET | CLONE_NEWTIME | CLONE_NEWPID;
  args.exit_signal = SIGCHLD;
  return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

// The pid of a child that execs argv in namespaces of its own, or -1.
static inline pid_t SpawnInNamespaces(char* const* argv, char* const* env) {
  pid_t pid = ForkInNamespaces();
  if (pid == 0) {
    execve(argv[0], argv, env);
    _exit(127);
  }
  return pid;
}

#endif  // LINX_BENCH_NAMESPACES_H_
