#include "term_reader.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "test_frames.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::BigEndian;
using test::Binary;
using test::Frame;
using test::ImproperList;
using test::Int;
using test::List;
using test::Map;
using test::String;
using test::Tuple;
using test::Uint;

// The terms of a list of integers; nothing where it is none.
std::optional<std::vector<int64_t>> Integers(TermReader& reader) {
  std::vector<int64_t> values;
  const bool read =
      reader.ReadList([&](TermReader& element) { return element.ReadInt(&values.emplace_back()); });
  return read ? std::optional(values) : std::nullopt;
}

TEST_CASE("an integer is read where it fits the type") {
  struct Case {
    std::string term;
    std::optional<int64_t> as_int;
    std::optional<uint64_t> as_uint;
  };
  const std::string minus("\x01", 1), plus("\0", 1);
  const Case cases[] = {
      {Uint(0), 0, 0},
      {Uint(255), 255, 255},
      {Int(-1), -1, {}},
      {Int(INT32_MIN), INT32_MIN, {}},
      {Int(INT32_MAX), INT32_MAX, INT32_MAX},
      {Uint(uint64_t{INT64_MAX}), INT64_MAX, INT64_MAX},
      {Uint(uint64_t{INT64_MAX} + 1), {}, uint64_t{INT64_MAX} + 1},
      {Uint(UINT64_MAX), {}, UINT64_MAX},
      {"n\x08" + minus + std::string(7, '\0') + "\x80", INT64_MIN, {}},
      {"n\x09" + plus + std::string(8, '\0') + "\x01", {}, {}},
      {"o" + BigEndian(300, 4) + plus + std::string(300, '\x7f'), {}, {}},
      {"o" + BigEndian(2, 4) + plus + "\x01\x02", 0x0201, 0x0201},
  };
  for (const Case& c : cases) {
    const std::string frame = Frame(c.term);
    TermReader reader(frame);
    REQUIRE(reader.Peek() == TermType::integer);
    int64_t number;
    uint64_t positive;
    TermReader copy = reader;
    CHECK(copy.ReadInt(&number) == c.as_int.has_value());
    CHECK(copy.AtEnd() == c.as_int.has_value());
    if (c.as_int) CHECK(number == *c.as_int);
    CHECK(reader.ReadUint(&positive) == c.as_uint.has_value());
    CHECK(reader.AtEnd() == c.as_uint.has_value());
    if (c.as_uint) CHECK(positive == *c.as_uint);
  }
}

TEST_CASE("a bounded integer outside its bound is left where it is") {
  const std::string frame = Frame(Uint(256));
  TermReader reader(frame);
  uint64_t value;
  CHECK_FALSE(reader.ReadUint(255, &value));
  REQUIRE(reader.ReadUint(256, &value));
  CHECK(value == 256);
}

TEST_CASE("an atom is read in each of its encodings") {
  const std::string longest(255, 'x');
  const std::string utf8 = "\xe6\x97\xa5";
  for (const std::string& term : {"d" + BigEndian(3, 2) + utf8, "s" + BigEndian(3, 1) + utf8,
                                  "v" + BigEndian(3, 2) + utf8, "w" + BigEndian(3, 1) + utf8}) {
    const std::string frame = Frame(term);
    TermReader reader(frame);
    std::string_view name;
    REQUIRE(reader.Peek() == TermType::atom);
    REQUIRE(reader.ReadAtom(&name));
    CHECK(name == utf8);
    CHECK(reader.AtEnd());
  }
  std::string_view name;
  const std::string frame = Frame(Atom(longest));
  REQUIRE(TermReader(frame).ReadAtom(&name));
  CHECK(name == longest);
  // 255 characters of four bytes are the most an atom can have.
  CHECK(TermReader(Frame("v" + BigEndian(1020, 2) + std::string(1020, 'x'))).valid());
  CHECK_FALSE(TermReader(Frame("v" + BigEndian(1021, 2) + std::string(1021, 'x'))).valid());
}

TEST_CASE("a name is an atom of its list only") {
  const std::string frame = Frame(Tuple({Atom("mount"), Atom("mnt")}));
  TermReader reader(frame);
  Namespace ns;
  Key key;
  REQUIRE(reader.ReadTupleOf(2));
  CHECK_FALSE(reader.ReadName(&key));
  REQUIRE(reader.ReadName(&ns));
  CHECK(ns == Namespace::mount);
  CHECK_FALSE(reader.ReadName(&ns));
}

TEST_CASE("a boolean is true or false and no other atom") {
  const std::string frame = Frame(Tuple({Atom("true"), Atom("false"), Atom("nil")}));
  TermReader reader(frame);
  bool value = false;
  REQUIRE(reader.ReadTupleOf(3));
  CHECK((reader.ReadBool(&value) && value));
  CHECK((reader.ReadBool(&value) && !value));
  CHECK_FALSE(reader.ReadBool(&value));
  CHECK(reader.Peek() == TermType::atom);
}

TEST_CASE("a binary is a view into the frame") {
  const std::string frame = Frame(Binary(std::string_view("a\0b", 3)));
  TermReader reader(frame);
  std::string_view bytes;
  REQUIRE(reader.ReadBinary(&bytes));
  CHECK(bytes == std::string_view("a\0b", 3));
  CHECK(bytes.data() == frame.data() + 6);
  CHECK(reader.AtEnd());
}

TEST_CASE("a list of bytes is the same list, sent as a string or not") {
  for (const std::string& term : {List({Uint(7), Uint(0), Uint(255)}), String({"\7\0\xff", 3})}) {
    const std::string frame = Frame(Tuple({term, List({})}));
    TermReader reader(frame);
    REQUIRE(reader.ReadTupleOf(2));
    CHECK(reader.Peek() == TermType::list);
    CHECK(Integers(reader) == std::vector<int64_t>{7, 0, 255});
    CHECK(Integers(reader) == std::vector<int64_t>{});
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("inside a string there are integers and nothing else") {
  const std::string frame = Frame(String("j"));
  TermReader reader(frame);
  REQUIRE(reader.ReadList([](TermReader& element) {
    std::string_view bytes;
    size_t count;
    CHECK(element.Peek() == TermType::integer);
    CHECK_FALSE(element.ReadAtom(&bytes));
    CHECK_FALSE(element.ReadBinary(&bytes));
    CHECK_FALSE(element.ReadTuple(&count));
    CHECK_FALSE(element.ReadMap(&count));
    CHECK_FALSE(element.ReadList([](TermReader&) { return true; }));
    return element.Skip();
  }));
  CHECK(reader.AtEnd());
}

TEST_CASE("an improper list is no list, but can be skipped") {
  for (const std::string& term :
       {ImproperList({Uint(1)}, Uint(2)), ImproperList({Uint(1)}, String("ab")),
        ImproperList({}, Uint(2)), ImproperList({Uint(1)}, List({Uint(2)}))}) {
    const std::string frame = Frame(term);
    TermReader reader(frame);
    REQUIRE(reader.valid());
    CHECK_FALSE(Integers(reader));
    CHECK(reader.Peek() == TermType::list);
    CHECK(reader.Skip());
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("a list whose element is refused is left where it is") {
  const std::string frame = Frame(Tuple({List({Uint(1), Atom("two")}), String("ab")}));
  TermReader reader(frame);
  REQUIRE(reader.ReadTupleOf(2));
  CHECK_FALSE(Integers(reader));
  CHECK(reader.Skip());
  CHECK_FALSE(reader.ReadList([](TermReader& element) {
    uint64_t value;
    return element.ReadUint('a', &value);
  }));
  // An element that was not read.
  CHECK_FALSE(reader.ReadList([](TermReader&) { return true; }));
  CHECK(Integers(reader) == std::vector<int64_t>{'a', 'b'});
}

TEST_CASE("maps and tuples are headers before their elements") {
  const std::string frame = Frame(Map({{Atom("key"), "i" + BigEndian(1, 4) + Uint(3)}}));
  TermReader reader(frame);
  size_t count;
  std::string_view key;
  CHECK_FALSE(reader.ReadTuple(&count));
  CHECK(reader.Peek() == TermType::map);
  REQUIRE((reader.ReadMap(&count) && count == 1));
  REQUIRE(reader.ReadAtom(&key));
  CHECK_FALSE(reader.ReadTupleOf(2));
  CHECK_FALSE(reader.ReadMap(&count));
  CHECK(reader.ReadTupleOf(1));
  CHECK(reader.Skip());
  CHECK_FALSE(reader.Skip());
  CHECK(reader.Peek() == TermType::end);
}

}  // namespace
}  // namespace linx
