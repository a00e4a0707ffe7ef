// A workload that writes N bytes to its stdout and exits 0. No newline is among them, so that a
// terminal passes on exactly what was written.
//
// usage: writer N
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  static char block[65536];
  if (argc != 2) {
    fprintf(stderr, "usage: writer N\n");
    return 2;
  }
  unsigned long long left = strtoull(argv[1], NULL, 10);
  memset(block, 'x', sizeof(block));
  while (left > 0) {
    size_t want = left < sizeof(block) ? (size_t)left : sizeof(block);
    ssize_t n = write(STDOUT_FILENO, block, want);
    if (n < 0) return 1;
    left -= (unsigned long long)n;
  }
  return 0;
}
