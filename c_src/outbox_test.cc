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

using test::Framed;
using test::Pipe;

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
