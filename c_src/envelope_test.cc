#include "envelope.h"

#include <doctest/doctest.h>

#include <string>

#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Frame;
using test::Tuple;
using test::Uint;

TEST_CASE("an envelope is a pair that an id leads") {
  for (const uint64_t id : {uint64_t{0}, uint64_t{255}, uint64_t{256}, kMaxSessionId}) {
    const std::string frame = Frame(Tuple({Uint(id), Atom("proceed")}));
    TermReader reader(frame);
    uint64_t read;
    REQUIRE(ReadEnvelope(reader, &read));
    CHECK(read == id);
    std::string_view name;
    REQUIRE(reader.ReadAtom(&name));
    CHECK(name == "proceed");
    REQUIRE(ReadEnvelopePrefix(std::string_view(frame).substr(0, 16), &read));
    CHECK(read == id);
  }
}

TEST_CASE("what is no envelope is left where it is") {
  for (const std::string& term :
       {Atom("stats"), Tuple({Atom("hello"), Uint(1)}), Tuple({Uint(1)}),
        Tuple({Uint(1), Uint(2), Uint(3)}), Tuple({Uint(kMaxSessionId + 1), Uint(2)}),
        Tuple({test::Int(-1), Uint(2)}), test::List({Uint(1), Uint(2)})}) {
    const std::string frame = Frame(term);
    TermReader reader(frame);
    uint64_t id;
    CHECK_FALSE(ReadEnvelope(reader, &id));
    CHECK_FALSE(ReadEnvelopePrefix(frame, &id));
    CHECK(reader.Skip());
    CHECK(reader.AtEnd());
  }
  uint64_t id;
  CHECK_FALSE(ReadEnvelopePrefix("", &id));
  CHECK_FALSE(ReadEnvelopePrefix("\x83h\x02n\x08", &id));
}

}  // namespace
}  // namespace linx
