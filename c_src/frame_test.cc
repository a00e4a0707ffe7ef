#include "frame.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "test_pipe.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::AgentPipe;
using test::WithLength;
using Kind = FrameReader::Frame::Kind;

// Writes through the pipe what it can hold at a time, and hands every frame to `take`.
template <typename Take>
void Feed(FrameReader& reader, std::string_view bytes, size_t piece, Take take) {
  AgentPipe pipe;
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
    stream += WithLength(sent.back());
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
  AgentPipe pipe;
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
  AgentPipe pipe;
  FrameReader reader;
  pipe.Write(WithLength("last") + "\1");
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
  AgentPipe pipe;
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
  Feed(reader, WithLength(body), 1 << 20, [&](const FrameReader::Frame& frame) {
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
    const std::string stream = WithLength("before") + WithLength(body) + WithLength("after");
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
    AgentPipe pipe;
    FrameReader reader;
    pipe.Write(test::BigEndian(length, 4) + "some bytes");
    CHECK(reader.Fill(pipe.out.get()) == Io::would_block);
    CHECK_FALSE(reader.Next());
    CHECK(reader.memory() <= 65536);
  }
}

}  // namespace
}  // namespace linx
