#include "term_shape.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "term_reader.h"
#include "test_frames.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::BigEndian;
using test::Frame;
using test::List;
using test::Tuple;
using test::Uint;

// One of each kind that is only skipped, as term_to_binary sends it or once did.
std::vector<std::string> OtherTerms() {
  const std::string node = Atom("n@h");
  return {
      "F" + std::string(8, '\x40'),
      "c" + std::string(31, '0'),
      "M" + BigEndian(2, 4) + "\x03" + "\xff\xe0",
      "g" + node + std::string(9, '\1'),
      "X" + node + std::string(12, '\1'),
      "f" + node + std::string(5, '\1'),
      "Y" + node + std::string(8, '\1'),
      "x" + node + std::string(12, '\1'),
      "e" + node + std::string(5, '\1'),
      "r" + BigEndian(3, 2) + node + std::string(13, '\1'),
      "Z" + BigEndian(3, 2) + node + std::string(16, '\1'),
      "q" + Atom("lists") + Atom("map") + Uint(2),
      "p" + BigEndian(40, 4) + std::string(36, '\1'),
  };
}

TEST_CASE("what no request is made of can be skipped") {
  for (const std::string& term : OtherTerms()) {
    const std::string frame = Frame(Tuple({term, Uint(1)}));
    CAPTURE(term[0]);
    TermReader reader(frame);
    REQUIRE(reader.valid());
    REQUIRE(reader.ReadTupleOf(2));
    CHECK(reader.Peek() == TermType::other);
    std::string_view bytes;
    CHECK_FALSE(reader.ReadBinary(&bytes));
    CHECK(reader.Skip());
    CHECK(reader.Peek() == TermType::integer);
  }
}

TEST_CASE("a term that its frame does not hold is no term") {
  test::GuardedMemory memory(1024);
  const std::string huge("\x80\0\0\0", 4), most("\xff\xff\xff\xff", 4);
  std::vector<std::string> terms = {
      "",
      "m" + huge,
      "m" + most + "abc",
      "M" + most + "\x08x",
      "l" + huge + Uint(1) + "j",
      "l" + most + "j",
      "i" + huge,
      "i" + most + Uint(1),
      "t" + huge + Atom("a") + Uint(1),
      "t" + most,
      "h\xff",
      "k\xff\xff" + std::string(10, 'x'),
      "o" + most + std::string(1, '\0') + "x",
      "n\xff" + std::string(1, '\0') + "x",
      "d\xff\xff",
      "w\xff",
      "Z\xff\xff" + Atom("n"),
      "r\xff\xff" + Atom("n"),
      "p" + most,
      "p" + BigEndian(28, 4) + std::string(24, '\0'),  // less than any fun has
      "g" + Uint(1) + std::string(9, '\0'),            // a node that is no atom
      "R\1",                                           // atom cache: a distribution channel's
      "y" + std::string(10, '\0'),                     // local to a node
      "u" + BigEndian(0, 4) + std::string(20, 'j'),    // funs of old
      "P" + BigEndian(4, 4) + "compressed",
      "\xff",
      Uint(1) + Uint(2),
      List({Uint(1)}) + "j",
  };
  for (const std::string& term : OtherTerms()) terms.push_back(term + "j");
  for (const std::string& term : terms) {
    const std::string frame = Frame(term);
    CAPTURE(frame);
    TermReader reader(memory.Copy(frame));
    CHECK_FALSE(reader.valid());
    CHECK(reader.AtEnd());
    CHECK(reader.Peek() == TermType::end);
    CHECK_FALSE(reader.Skip());
    for (size_t length = 1; length < frame.size(); ++length) {
      test::ReadEverything(memory.Copy(frame.substr(0, length)));
    }
  }
  CHECK_FALSE(TermReader("").valid());
  CHECK_FALSE(TermReader("\x82j").valid());
}

TEST_CASE("nesting as deep as a frame allows costs no stack") {
  constexpr size_t kDepth = 1'600'000;
  std::string term;
  for (size_t i = 0; i < kDepth; ++i) term += std::string("l\0\0\0\1", 5);
  const std::string open = Frame(term + "j");
  CHECK_FALSE(TermReader(open).valid());
  const std::string closed = Frame(term + std::string(kDepth + 1, 'j'));
  TermReader reader(closed);
  REQUIRE(reader.valid());
  CHECK(reader.Skip());
  CHECK(reader.AtEnd());
}

}  // namespace
}  // namespace linx
