#include <doctest/doctest.h>
#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "frame.h"
#include "term_reader.h"
#include "test_pipe.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::AgentPipe;
using test::WithLength;

TEST_CASE("an outbox writes all its frames at once") {
  AgentPipe pipe;
  Outbox outbox;
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  outbox.BeginFrame().Binary("two");
  outbox.EndFrame();
  const std::string expected =
      WithLength(test::Frame(test::Uint(1))) + WithLength(test::Frame(test::Binary("two")));
  CHECK(outbox.pending() == expected.size());
  CHECK(outbox.Flush(pipe.in.get()) == Io::would_block);
  CHECK(outbox.pending() == 0);
  CHECK(outbox.bytes_out() == expected.size());
  CHECK(pipe.Read() == expected);
}

TEST_CASE("a cancelled frame leaves the others as they are") {
  AgentPipe pipe;
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
  CHECK(pipe.Read() ==
        WithLength(test::Frame(test::Uint(1))) + WithLength(test::Frame(test::Uint(2))));
}

TEST_CASE("a slow reader gets every byte in order, frames being added meanwhile") {
  AgentPipe pipe(4096);
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

// A frame of `size` bytes from `source`, as the BEAM gets it.
std::string MovedFrame(AgentPipe& source, AgentPipe& beam, size_t size, size_t* copied) {
  Outbox outbox;
  outbox.Attach(beam.in.get());
  REQUIRE(outbox.CanMove());
  outbox.BeginFrame().BinaryHeader(size);
  outbox.EndFrameFrom(source.out.get(), size);
  *copied = outbox.pending();
  CHECK(outbox.CanMove() == (*copied == 0));
  std::string all = beam.Read();
  while (outbox.pending() > 0) {
    REQUIRE(outbox.Flush(beam.in.get()) == Io::would_block);
    all += beam.Read();
  }
  CHECK(outbox.bytes_out() == all.size());
  return all;
}

TEST_CASE("a frame's last bytes are moved from another pipe") {
  AgentPipe source, beam;
  const std::string bytes(300'000, 'x');
  source.Write(bytes + "rest");
  size_t copied;
  const std::string frame = MovedFrame(source, beam, bytes.size(), &copied);
  CHECK((frame == WithLength(test::Frame(test::Binary(bytes)))));
  CHECK(copied == 0);
  CHECK(source.Read() == "rest");
}

TEST_CASE("what the BEAM's pipe has no room for waits, and follows in order") {
  AgentPipe source, beam(8192);
  std::string bytes;
  for (int i = 0; bytes.size() < 100'000; ++i) bytes += std::to_string(i) + ' ';
  source.Write(bytes + "rest");
  size_t copied;
  const std::string frame = MovedFrame(source, beam, bytes.size(), &copied);
  CHECK((frame == WithLength(test::Frame(test::Binary(bytes)))));
  CHECK(copied > 80'000);
  CHECK(source.Read() == "rest");
}

TEST_CASE("a pipe that somebody else has read from does not cut its frame short") {
  AgentPipe source, beam;
  source.Write("some");
  size_t copied;
  CHECK(MovedFrame(source, beam, 6, &copied) ==
        WithLength(test::Frame(test::Binary({"some\0\0", 6}))));
}

TEST_CASE("nothing is moved ahead of what waits") {
  AgentPipe beam;
  Outbox outbox;
  CHECK_FALSE(outbox.CanMove());
  outbox.Attach(beam.in.get());
  CHECK(outbox.CanMove());
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  CHECK_FALSE(outbox.CanMove());
}

TEST_CASE("the memory of a burst is given back when it is written") {
  AgentPipe pipe;
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
  AgentPipe pipe;
  Outbox outbox;
  outbox.BeginFrame().Uint(1);
  outbox.EndFrame();
  pipe.out.Reset();
  CHECK(outbox.Flush(pipe.in.get()) == Io::error);
  CHECK(errno == EPIPE);
  signal(SIGPIPE, SIG_DFL);
}

TEST_CASE("an outbox that ran out of memory sends nothing that could be misread") {
  AgentPipe pipe;
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
