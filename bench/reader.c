// A workload that reads N bytes from its stdin and throws them away. Exits 0, or 1 if there were
// fewer.
//
// usage: reader N
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char** argv) {
  static char block[131072];
  if (argc != 2) {
    fprintf(stderr, "usage: reader N\n");
    return 2;
  }
  unsigned long long left = strtoull(argv[1], NULL, 10);
  while (left > 0) {
    size_t want = left < sizeof(block) ? (size_t)left : sizeof(block);
    ssize_t n = read(STDIN_FILENO, block, want);
    if (n <= 0) return 1;
    left -= (unsigned long long)n;
  }
  return 0;
}
