// The floor of a session whose stdin is a pipe: what comes from the BEAM in {packet, 4} frames on
// fd 3 goes to PROGRAM. Exits when PROGRAM does.
//
// usage: floor_input PROGRAM [ARGUMENT...]
#include <stdio.h>
#include <sys/wait.h>

#include "frame.h"

extern char** environ;

static pid_t SpawnOnPipe(int pipe_end, char* const* argv) {
  pid_t pid = vfork();
  if (pid == 0) {
    if (dup2(pipe_end, STDIN_FILENO) >= 0) execve(argv[0], argv, environ);
    _exit(127);
  }
  return pid;
}

// Whether all of it was there.
static int ReadAll(int fd, void* data, size_t size) {
  char* at = (char*)data;
  while (size > 0) {
    ssize_t n = read(fd, at, size);
    if (n <= 0) return 0;
    at += n;
    size -= (size_t)n;
  }
  return 1;
}

int main(int argc, char** argv) {
  static unsigned char body[1 << 20];
  if (argc < 2) {
    fprintf(stderr, "usage: floor_input PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  int fds[2];
  if (pipe(fds) < 0) return 1;
  pid_t pid = SpawnOnPipe(fds[0], argv + 1);
  if (pid < 0) return 1;
  close(fds[0]);
  unsigned char header[kFrameHeader];
  while (ReadAll(kFromBeam, header, sizeof(header))) {
    uint32_t size = GetU32(header);
    if (size == 0) break;  // the last frame
    if (size > sizeof(body) || !ReadAll(kFromBeam, body, size)) return 1;
    WriteAll(fds[1], body, size);
  }
  close(fds[1]);
  int status;
  return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
