// The floor of a session on a terminal: PROGRAM runs on a PTY of its own, and all that it writes
// goes to the BEAM as {packet, 4} frames on fd 4, as few of them as there are bytes for. Exits when
// the terminal does.
//
// usage: floor_pty PROGRAM [ARGUMENT...]
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "frame.h"

enum { kBatch = 65536 };

extern char** environ;

static pid_t SpawnOnPty(int pty, char* const* argv) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  setsid();
  int peer = ioctl(pty, TIOCGPTPEER, O_RDWR);
  if (peer < 0 || ioctl(peer, TIOCSCTTY, 0) < 0) _exit(127);
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(peer, fd) < 0) _exit(127);
  }
  execve(argv[0], argv, environ);
  _exit(127);
}

int main(int argc, char** argv) {
  static unsigned char frame[kFrameHeader + kBatch];
  if (argc < 2) {
    fprintf(stderr, "usage: floor_pty PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (pty < 0 || unlockpt(pty) < 0) return 1;
  pid_t pid = SpawnOnPty(pty, argv + 1);
  if (pid < 0) return 1;
  size_t size = 0;
  for (;;) {
    ssize_t n = read(pty, frame + kFrameHeader + size, kBatch - size);
    if (n > 0) size += (size_t)n;
    if (n > 0 && size < kBatch) continue;
    if (size > 0) {
      PutU32(frame, (uint32_t)size);
      WriteAll(kToBeam, frame, kFrameHeader + size);
      size = 0;
    } else if (errno == EAGAIN) {
      struct pollfd source = {.fd = pty, .events = POLLIN};
      poll(&source, 1, -1);
    } else {
      break;  // EIO: the last of the terminal's users is gone
    }
  }
  int status;
  return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
