// {packet, 4} frames for the floors: what the BEAM sends on fd 3 and reads from fd 4.
#ifndef LINX_BENCH_FRAME_H_
#define LINX_BENCH_FRAME_H_

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { kFromBeam = 3, kToBeam = 4, kFrameHeader = 4 };

static inline void PutU32(unsigned char* at, uint32_t value) {
  at[0] = (unsigned char)(value >> 24);
  at[1] = (unsigned char)(value >> 16);
  at[2] = (unsigned char)(value >> 8);
  at[3] = (unsigned char)value;
}

static inline uint32_t GetU32(const unsigned char* at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// Writes all of it or ends the program: without the BEAM a floor has nothing to do.
static inline void WriteAll(int fd, const void* data, size_t size) {
  const char* at = (const char*)data;
  while (size > 0) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) exit(1);
    at += n;
    size -= (size_t)n;
  }
}

#endif  // LINX_BENCH_FRAME_H_
