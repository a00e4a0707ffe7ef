// The floor of a session: the least that a port program can do to run PROGRAM for the BEAM. A
// request comes in, a child is made and execs, its end is awaited and answered. Many may run at
// once.
//
// usage: floor_port vfork|namespaces PROGRAM [ARGUMENT...]
//
// In:  <<id:32, $r>>  run, and answer once it ended
//      <<id:32, $s>>  start, and answer once it runs
//      <<id:32, $k>>  kill what was started or run under this id
// Out: <<id:32, $s, 0:32>> started, <<id:32, $e, status:32>> ended with this wait status
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "frame.h"
#include "namespaces.h"

enum { kRequest = 5, kAnswer = 9, kMaxChildren = 4096 };

struct Child {
  pid_t pid;
  uint32_t id;
};

static struct Child children[kMaxChildren];
static int child_count;
static unsigned char in[65536];
static size_t in_size;
static unsigned char out[kMaxChildren * (kFrameHeader + kAnswer)];
static size_t out_size;

extern char** environ;

static void Flush(void) {
  if (out_size > 0) WriteAll(kToBeam, out, out_size);
  out_size = 0;
}

static void Answer(uint32_t id, char kind, uint32_t value) {
  if (sizeof(out) - out_size < kFrameHeader + kAnswer) Flush();
  unsigned char* at = out + out_size;
  PutU32(at, kAnswer);
  PutU32(at + 4, id);
  at[8] = (unsigned char)kind;
  PutU32(at + 9, value);
  out_size += kFrameHeader + kAnswer;
}

static pid_t SpawnByVfork(char* const* argv) {
  pid_t pid = vfork();
  if (pid == 0) {
    execve(argv[0], argv, environ);
    _exit(127);
  }
  return pid;
}

static void Start(uint32_t id, int in_namespaces, char* const* argv) {
  if (child_count == kMaxChildren) exit(1);
  pid_t pid = in_namespaces ? SpawnInNamespaces(argv, environ) : SpawnByVfork(argv);
  if (pid < 0) exit(1);
  children[child_count].pid = pid;
  children[child_count].id = id;
  child_count++;
}

static void Kill(uint32_t id) {
  for (int i = 0; i < child_count; i++) {
    if (children[i].id == id) kill(children[i].pid, SIGKILL);
  }
}

static void Reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    int i = 0;
    while (i < child_count && children[i].pid != pid) i++;
    if (i == child_count) continue;
    Answer(children[i].id, 'e', (uint32_t)status);
    children[i] = children[--child_count];
  }
}

static void HandleRequests(int in_namespaces, char* const* argv) {
  ssize_t n = read(kFromBeam, in + in_size, sizeof(in) - in_size);
  if (n <= 0) exit(0);
  in_size += (size_t)n;
  size_t at = 0;
  for (; in_size - at >= kFrameHeader + kRequest; at += kFrameHeader + kRequest) {
    uint32_t id = GetU32(in + at + kFrameHeader);
    char kind = (char)in[at + kFrameHeader + 4];
    if (kind == 'k') {
      Kill(id);
    } else {
      Start(id, in_namespaces, argv);
      if (kind == 's') Answer(id, 's', 0);
    }
  }
  in_size -= at;
  memmove(in, in + at, in_size);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: floor_port vfork|namespaces PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  int in_namespaces = strcmp(argv[1], "namespaces") == 0;
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, NULL);
  struct pollfd sources[] = {
      {.fd = kFromBeam, .events = POLLIN},
      {.fd = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN},
  };
  for (;;) {
    if (poll(sources, 2, -1) < 0) return 1;
    if (sources[1].revents) {
      struct signalfd_siginfo info;
      // Emptied before the wait: an end that comes between the two is announced again.
      if (read(sources[1].fd, &info, sizeof(info)) < 0 && errno != EAGAIN) return 1;
      Reap();
    }
    if (sources[0].revents) HandleRequests(in_namespaces, argv + 2);
    Flush();
  }
}
