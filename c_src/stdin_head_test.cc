#include "stdin_head.h"

#include <doctest/doctest.h>

#include <string>

#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::BigEndian;
using test::Binary;
using test::Frame;
using test::Tuple;
using test::Uint;

// `stdin` as each of the tags of an atom spells it.
std::string Spelled(char tag, size_t length_bytes) {
  return std::string(1, tag) + BigEndian(5, length_bytes) + "stdin";
}

StdinHead HeadOf(const std::string& frame, bool envelope, size_t shown) {
  StdinHead head;
  REQUIRE(ReadStdinHead(frame.substr(0, shown), frame.size(), envelope, &head));
  return head;
}

bool IsHead(const std::string& frame, bool envelope) {
  StdinHead head;
  return ReadStdinHead(frame, frame.size(), envelope, &head);
}

TEST_CASE("a frame of stdin shows in its first bytes, however its atom and id are spelt") {
  const std::string bytes(1000, 'x');
  for (const std::string& name :
       {Spelled('w', 1), Spelled('d', 2), Spelled('s', 1), Spelled('v', 2)}) {
    const std::string term = Tuple({name, Binary(bytes)});
    const std::string bare = Frame(term);
    CHECK(HeadOf(bare, false, bare.size() - bytes.size()).bytes == 1000);
    CHECK(HeadOf(bare, false, bare.size()).size == bare.size() - bytes.size());
    for (const uint64_t id :
         {uint64_t{0}, uint64_t{255}, uint64_t{256}, UINT64_MAX >> 1, UINT64_MAX}) {
      const std::string frame = Frame(Tuple({Uint(id), term}));
      const StdinHead head = HeadOf(frame, true, frame.size() - bytes.size());
      CHECK(head.id == id);
      CHECK(head.bytes == 1000);
      CHECK(head.size == frame.size() - bytes.size());
    }
    const std::string frame = Frame(Tuple({test::Int(70'000), term}));
    CHECK(HeadOf(frame, true, frame.size()).id == 70'000);
  }
}

TEST_CASE("a head that is cut is none") {
  const std::string frame = Frame(Tuple({Uint(70'000), Tuple({Atom("stdin"), Binary("12345")})}));
  StdinHead head;
  for (size_t shown = 0; shown < frame.size() - 5; ++shown) {
    CHECK_FALSE(ReadStdinHead(frame.substr(0, shown), frame.size(), true, &head));
  }
  CHECK(ReadStdinHead(frame.substr(0, frame.size() - 5), frame.size(), true, &head));
}

TEST_CASE("what is not exactly a frame of stdin is none") {
  const std::string stdin_term = Tuple({Atom("stdin"), Binary("12345")});
  CHECK(IsHead(Frame(stdin_term), false));
  CHECK_FALSE(IsHead(Frame(stdin_term), true));
  CHECK_FALSE(IsHead(Frame(Tuple({Uint(1), stdin_term})), false));
  CHECK_FALSE(IsHead(Frame(stdin_term) + "x", false));
  CHECK_FALSE(IsHead(Frame(Tuple({Atom("stdin"), Binary("1"), Binary("2")})), false));
  CHECK_FALSE(IsHead(Frame(Tuple({Atom("stdin"), Atom("eof")})), false));
  CHECK_FALSE(IsHead(Frame(Tuple({Atom("stdin"), test::String("12345")})), false));
  CHECK_FALSE(IsHead(Frame(Tuple({Atom("pty_in"), Binary("12345")})), false));
  CHECK_FALSE(IsHead(Frame(Tuple({Atom("stdint"), Binary("12345")})), false));
  CHECK_FALSE(IsHead(Frame(Tuple({test::Int(-1), stdin_term})), true));
  CHECK_FALSE(IsHead(Frame(Tuple({"n\x01\x01\x05", stdin_term})), true));
  CHECK_FALSE(IsHead("\x82" + stdin_term, false));
}

}  // namespace
}  // namespace linx
