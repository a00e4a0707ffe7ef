// The floor of a session whose stdout is a pipe: all that PROGRAM writes goes to the BEAM as
// {packet, 4} frames on fd 4. Exits when the pipe has ended.
//
// usage: floor_output PROGRAM [ARGUMENT...]
#include <stdio.h>
#include <sys/wait.h>

#include "frame.h"

enum { kBatch = 65536 };

extern char** environ;

static pid_t SpawnOnPipe(int pipe_end, char* const* argv) {
  pid_t pid = vfork();
  if (pid == 0) {
    if (dup2(pipe_end, STDOUT_FILENO) >= 0) execve(argv[0], argv, environ);
    _exit(127);
  }
  return pid;
}

int main(int argc, char** argv) {
  static unsigned char frame[kFrameHeader + kBatch];
  if (argc < 2) {
    fprintf(stderr, "usage: floor_output PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  int fds[2];
  if (pipe(fds) < 0) return 1;
  pid_t pid = SpawnOnPipe(fds[1], argv + 1);
  if (pid < 0) return 1;
  close(fds[1]);
  ssize_t size;
  while ((size = read(fds[0], frame + kFrameHeader, kBatch)) > 0) {
    PutU32(frame, (uint32_t)size);
    WriteAll(kToBeam, frame, kFrameHeader + (size_t)size);
  }
  int status;
  return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
