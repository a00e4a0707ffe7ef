// A channel of the agent, for tests of either end.
#ifndef LINX_TEST_PIPE_H_
#define LINX_TEST_PIPE_H_

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "test_terms.h"
#include "unique_fd.h"

namespace linx::test {

// A pipe whose two ends never block.
struct AgentPipe {
  explicit AgentPipe(int size = 1 << 20) {
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    out.Reset(fds[0]);
    in.Reset(fds[1]);
    REQUIRE(fcntl(fds[1], F_SETPIPE_SZ, size) >= size);
  }

  void Write(std::string_view bytes) {
    REQUIRE(write(in.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }

  // All that is there now.
  std::string Read() {
    std::string all;
    char piece[65536];
    for (ssize_t n; (n = read(out.get(), piece, sizeof piece)) > 0;) {
      all.append(piece, static_cast<size_t>(n));
    }
    return all;
  }

  UniqueFd out, in;
};

inline std::string WithLength(std::string_view body) {
  return BigEndian(body.size(), 4).append(body);
}

}  // namespace linx::test

#endif  // LINX_TEST_PIPE_H_
