// The floor of a session in eight fresh namespaces: clone3, exec, wait, COUNT times, no BEAM.
// Prints the nanoseconds that each took, one a line.
//
// usage: floor_namespaces COUNT PROGRAM [ARGUMENT...]
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "namespaces.h"

extern char** environ;

static int64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: floor_namespaces COUNT PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  for (long left = strtol(argv[1], NULL, 10); left > 0; left--) {
    int status;
    int64_t start = Now();
    pid_t pid = SpawnInNamespaces(argv + 2, environ);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
      perror("floor_namespaces");
      return 1;
    }
    printf("%lld\n", (long long)(Now() - start));
  }
  return 0;
}
