#include "frame.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "term_reader.h"
#include "test_terms.h"
#include "unique_fd.h"

namespace linx {
namespace {

using Kind = FrameReader::Frame::Kind;

// A pipe whose two ends never block.
struct Pipe {
  explicit Pipe(int size = 1 << 20) {
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

std::string Framed(std::string_view body) { return test::BigEndian(body.size(), 4).append(body); }

// Writes through the pipe what it can hold at a time, and hands every frame to `take`.
template <typename Take>
void Feed(FrameReader& reader, std::string_view bytes, size_t piece, Take take) {
  Pipe pipe;
  while (!bytes.empty()) {
    const size_t n = std::min(piece, bytes.size());
    pipe.Write(bytes.substr(0, n));
    bytes.remove_prefix(n);
    while (reader.Fill(pipe.out.get()) == Io::more) {
    }
    while (const FrameReader::Frame frame = reader.Next()) take(frame);
  }
}

TEST_CASE("frames come out whole, however they come in") {
  std::string stream;
  std::vector<std::string> sent;
  for (const size_t size : {0, 1, 3, 4, 5, 1000, 70'000, 2}) {
    sent.push_back(std::string(size, static_cast<char>('a' + sent.size())));
    stream += Framed(sent.back());
  }
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{4096}, stream.size()}) {
    FrameReader reader;
    std::vector<std::string> received;
    Feed(reader, stream, piece, [&](const FrameReader::Frame& frame) {
      CHECK(frame.kind == Kind::complete);
      received.emplace_back(frame.body);
    });
    CHECK(received == sent);
    CHECK(reader.bytes_in() == stream.size());
  }
}

TEST_CASE("half a frame is no frame and holds nothing up") {
  Pipe pipe;
  FrameReader reader;
  for (const std::string& part : {std::string("\0\0", 2), std::string("\0\5he", 4)}) {
    pipe.Write(part);
    CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
    CHECK_FALSE(reader.Next());
    CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
  }
  pipe.Write("llo");
  CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
  CHECK(reader.Next().body == "hello");
  CHECK_FALSE(reader.Next());
}

TEST_CASE("the frames before the end of the channel are still there") {
  Pipe pipe;
  FrameReader reader;
  pipe.Write(Framed("last") + "\1");
  pipe.in.Reset();
  CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
  CHECK(reader.Fill(pipe.out.get()) == Io::eof);
  CHECK(reader.Next().body == "last");
  CHECK_FALSE(reader.Next());
  CHECK(reader.Fill(pipe.out.get()) == Io::eof);
  CHECK(reader.Fill(-1) == Io::error);
  CHECK(errno == EBADF);
}

TEST_CASE("a turn reads no more than its share") {
  Pipe pipe;
  FrameReader reader;
  pipe.Write(std::string(600'000, '\0'));
  CHECK(reader.Fill(pipe.out.get()) == Io::more);
  CHECK(reader.bytes_in() == FrameReader::kFillBytes);
  CHECK(reader.Fill(pipe.out.get()) == Io::more);
  CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
  CHECK(reader.bytes_in() == 600'000);
}

TEST_CASE("the largest frame is taken and leaves no memory behind") {
  const std::string body(kMaxFrame, 'x');
  FrameReader reader;
  size_t taken = 0;
  Feed(reader, Framed(body), 1 << 20, [&](const FrameReader::Frame& frame) {
    CHECK(frame.kind == Kind::complete);
    CHECK(frame.body == body);
    ++taken;
  });
  CHECK(taken == 1);
  CHECK(reader.memory() <= 65536);
}

TEST_CASE("an oversize frame is reported once, as it begins, and skipped whole") {
  for (const size_t size : {kMaxFrame + 1, size_t{16} << 20}) {
    const std::string body = "who is it for? " + std::string(size - 15, 'x');
    const std::string stream = Framed("before") + Framed(body) + Framed("after");
    FrameReader reader;
    std::vector<std::string> received;
    size_t most = 0;
    Feed(reader, stream, 1 << 20, [&](const FrameReader::Frame& frame) {
      CHECK((frame.kind == Kind::oversize) == (received.size() == 1));
      if (frame.kind == Kind::oversize) CHECK(reader.bytes_in() <= 1 << 20);
      received.emplace_back(frame.body);
      most = std::max(most, reader.memory());
    });
    CHECK(received == std::vector<std::string>{"before", "who is it for? x", "after"});
    CHECK(most <= 4u << 20);
  }
}

TEST_CASE("an announced length takes no memory") {
  for (const uint64_t length : {uint64_t{kMaxFrame}, uint64_t{1} << 31, uint64_t{0xffffffff}}) {
    Pipe pipe;
    FrameReader reader;
    pipe.Write(test::BigEndian(length, 4) + "some bytes");
    CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
    CHECK_FALSE(reader.Next());
    CHECK(reader.memory() <= 65536);
  }
}

TEST_CASE("an outbox writes all its frames at once") {
  Pipe pipe;
  Outbox outbox;
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  outbox.BeginFrame().Binary("two");
  outbox.EndFrame();
  const std::string expected =
      Framed(test::Frame(test::Uint(1))) + Framed(test::Frame(test::Binary("two")));
  CHECK(outbox.pending() == expected.size());
  CHECK(outbox.Flush(pipe.in.get()) == Io::would_block);
  CHECK(outbox.pending() == 0);
  CHECK(outbox.bytes_out() == expected.size());
  CHECK(pipe.Read() == expected);
}

TEST_CASE("a cancelled frame leaves the others as they are") {
  Pipe pipe;
  Outbox outbox;
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  TermWriter writer = outbox.BeginFrame();
  writer.Tuple(2);
  REQUIRE(writer.ReserveBinary(100'000) != nullptr);
  outbox.CancelFrame();
  outbox.BeginFrame().Uint(2);
  outbox.EndFrame();
  CHECK(outbox.Flush(pipe.in.get()) == Io::would_block);
  CHECK(pipe.Read() == Framed(test::Frame(test::Uint(1))) + Framed(test::Frame(test::Uint(2))));
}

TEST_CASE("a slow reader gets every byte in order, frames being added meanwhile") {
  Pipe pipe(4096);
  Outbox outbox;
  FrameReader reader;
  uint64_t sent = 0, received = 0;
  size_t rounds = 0;
  while (received < 500) {
    for (int i = 0; i < 3 && sent < 500; ++i, ++sent) {
      TermWriter writer = outbox.BeginFrame();
      writer.Tuple(2);
      writer.Uint(sent);
      writer.Binary(std::string(sent * 13 % 9000, 'x'));
      outbox.EndFrame();
    }
    REQUIRE(outbox.Flush(pipe.in.get()) == Io::would_block);
    REQUIRE(reader.Fill(pipe.out.get()) != Io::error);
    while (const FrameReader::Frame frame = reader.Next()) {
      TermReader term(frame.body);
      uint64_t number;
      std::string_view bytes;
      REQUIRE((term.ReadTupleOf(2) && term.ReadUint(&number) && term.ReadBinary(&bytes)));
      CHECK(number == received);
      CHECK(bytes.size() == number * 13 % 9000);
      ++received;
    }
    REQUIRE(++rounds < 10'000);
  }
  CHECK(outbox.pending() == 0);
}

TEST_CASE("the memory of a burst is given back when it is written") {
  Pipe pipe;
  Outbox outbox;
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) {
    outbox.BeginFrame().Binary(megabyte);
    outbox.EndFrame();
  }
  CHECK(outbox.memory() > 8u << 20);
  while (outbox.pending() > 0) {
    REQUIRE(outbox.Flush(pipe.in.get()) == Io::would_block);
    pipe.Read();
  }
  CHECK(outbox.memory() <= 256u << 10);
}

TEST_CASE("an outbox says that its reader is gone") {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  Outbox outbox;
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  pipe.out.Reset();
  CHECK(outbox.Flush(pipe.in.get()) == Io::error);
  CHECK(errno == EPIPE);
  signal(SIGPIPE, SIG_DFL);
}

TEST_CASE("an outbox that ran out of memory sends nothing that could be misread") {
  Pipe pipe;
  Outbox outbox;
  TermWriter writer = outbox.BeginFrame();
  CHECK(writer.ReserveBinary(Buffer::kMaxBytes) == nullptr);
  outbox.CancelFrame();
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  CHECK(outbox.Flush(pipe.in.get()) == Io::error);
  CHECK(errno == ENOMEM);
  CHECK(pipe.Read().empty());
}

}  // namespace
}  // namespace linx
