#include "term_writer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "term_reader.h"
#include "test_terms.h"

namespace linx {
namespace {

// What a writer makes of `write`, version byte and all.
template <typename Write>
std::string Written(Write write) {
  Buffer buffer;
  TermWriter writer(&buffer);
  writer.Version();
  write(writer);
  return {buffer.data(), buffer.size()};
}

TEST_CASE("terms are written as External Term Format spells them") {
  CHECK(Written([](TermWriter& w) { w.Atom(Event::pty_out); }) ==
        test::Frame(test::Atom("pty_out")));
  CHECK(Written([](TermWriter& w) { w.Atom("grün"); }) == test::Frame(test::Atom("grün")));
  CHECK(Written([](TermWriter& w) { w.Bool(true); }) == test::Frame(test::Atom("true")));
  CHECK(Written([](TermWriter& w) {
          w.Binary({"a\0b", 3});
        }) == test::Frame(test::Binary({"a\0b", 3})));
  CHECK(Written([](TermWriter& w) { w.Binary({}); }) == test::Frame(test::Binary("")));
  CHECK(Written([](TermWriter& w) {
          w.Tuple(2);
          w.Uint(7);
          w.Tuple(0);
        }) == test::Frame(test::Tuple({test::Uint(7), test::Tuple({})})));
}

TEST_CASE("an integer comes back as it was written") {
  for (const int64_t value : {int64_t{0}, int64_t{255}, int64_t{256}, int64_t{-1},
                              int64_t{INT32_MIN}, int64_t{INT32_MAX}, INT64_MIN, INT64_MAX}) {
    const std::string frame = Written([value](TermWriter& w) { w.Int(value); });
    TermReader reader(frame);
    int64_t read;
    REQUIRE(reader.ReadInt(&read));
    CHECK(read == value);
    CHECK(reader.AtEnd());
  }
  for (const uint64_t value : {uint64_t{0}, uint64_t{1} << 31, uint64_t{1} << 63, UINT64_MAX}) {
    const std::string frame = Written([value](TermWriter& w) { w.Uint(value); });
    TermReader reader(frame);
    uint64_t read;
    REQUIRE(reader.ReadUint(&read));
    CHECK(read == value);
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("maps and lists count what is put into them") {
  const std::string frame = Written([](TermWriter& w) {
    MapWriter map(w);
    {
      ListWriter list(map.Key("list"));
      list.Item().Uint(1);
      MapWriter inner(list.Item());
      inner.Key(Key::env).Bool(false);
    }
    { ListWriter empty(map.Key("nil")); }
    MapWriter nothing(map.Key("map"));
  });
  using namespace test;
  CHECK(frame == Frame(Map({{Atom("list"), List({Uint(1), Map({{Atom("env"), Atom("false")}})})},
                            {Atom("nil"), List({})},
                            {Atom("map"), Map({})}})));
}

TEST_CASE("a binary can be filled in place with less than was reserved") {
  const std::string frame = Written([](TermWriter& w) {
    w.Tuple(2);
    char* room = w.ReserveBinary(70'000);
    REQUIRE(room != nullptr);
    std::memcpy(room, "only this", 9);
    w.CommitBinary(9);
    REQUIRE(w.ReserveBinary(10) != nullptr);
    w.CommitBinary(0);
  });
  CHECK(frame == test::Frame(test::Tuple({test::Binary("only this"), test::Binary("")})));
}

TEST_CASE("a writer without memory writes nothing more and touches nothing") {
  Buffer buffer;
  TermWriter writer(&buffer);
  {
    MapWriter map(writer);
    map.Key("a").Uint(1);
    CHECK(writer.ReserveBinary(Buffer::kMaxBytes) == nullptr);
    ListWriter list(map.Key("b"));
    list.Item().Uint(2);
    ListWriter empty(map.Key("c"));
  }
  CHECK(buffer.failed());
}

}  // namespace
}  // namespace linx
