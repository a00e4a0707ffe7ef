#include "buffer.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace linx {
namespace {

std::string_view Content(const Buffer& buffer) { return {buffer.data(), buffer.size()}; }

TEST_CASE("bytes leave a buffer in the order they came") {
  Buffer buffer;
  std::string in, out;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(static_cast<size_t>(i % 97), static_cast<char>('a' + i % 26));
    buffer.Append(piece.data(), piece.size());
    in += piece;
    const size_t n = buffer.size() * static_cast<size_t>(i % 4) / 4;
    out += Content(buffer).substr(0, n);
    buffer.Consume(n);
  }
  out += Content(buffer);
  CHECK(in == out);
}

TEST_CASE("a buffer that is emptied as it fills does not grow") {
  Buffer buffer;
  const std::string piece(1000, 'x');
  for (int i = 0; i < 10'000; ++i) {
    buffer.Append(piece.data(), piece.size());
    if (i > 0) buffer.Consume(piece.size());
  }
  CHECK(buffer.size() == piece.size());
  CHECK(buffer.capacity() <= 4096);
}

TEST_CASE("what is reserved counts once it is committed") {
  Buffer buffer;
  buffer.Append("head", 4);
  char* room = buffer.Reserve(10'000);
  REQUIRE(room != nullptr);
  CHECK(buffer.room() >= 10'000);
  CHECK(Content(buffer) == "head");
  room[0] = '!';
  buffer.Commit(1);
  CHECK(Content(buffer) == "head!");
  buffer.Consume(1);
  buffer.Truncate(2);
  CHECK(Content(buffer) == "ea");
}

TEST_CASE("memory is given back by an empty buffer alone") {
  Buffer buffer;
  REQUIRE(buffer.Reserve(100'000) != nullptr);
  buffer.Commit(1);
  buffer.ShrinkTo(4096);
  CHECK(buffer.capacity() >= 100'000);
  buffer.Consume(1);
  buffer.ShrinkTo(1 << 20);
  CHECK(buffer.capacity() >= 100'000);
  buffer.ShrinkTo(4096);
  CHECK(buffer.capacity() == 0);
  buffer.Append("again", 5);
  CHECK(Content(buffer) == "again");
}

TEST_CASE("a buffer without memory keeps what it has and takes no more") {
  Buffer buffer;
  buffer.Append("kept", 4);
  CHECK(buffer.Reserve(Buffer::kMaxBytes) == nullptr);
  CHECK(buffer.failed());
  buffer.Append("lost", 4);
  CHECK(Content(buffer) == "kept");
}

}  // namespace
}  // namespace linx
