#include "id_maps.h"

#include <doctest/doctest.h>

#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Int;
using test::List;
using test::Tuple;
using test::Uint;

using Read = bool (*)(TermReader&, IdMaps*);

bool Takes(Read read, const std::string& term, IdMaps* maps) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  return reader.valid() && read(reader, maps) && reader.AtEnd();
}

bool Takes(Read read, const std::string& term) {
  IdMaps maps;
  return Takes(read, term, &maps);
}

std::string Range(uint64_t inside, uint64_t outside, uint64_t length) {
  return Tuple({Uint(inside), Uint(outside), Uint(length)});
}

// So many ranges of one id each.
std::string Ranges(uint32_t count, uint32_t outside) {
  std::string list = "l" + test::BigEndian(count, 4);
  for (uint32_t i = 0; i < count; ++i) list += Range(2 * i, outside + 2 * i, 1);
  return list + "j";
}

TEST_CASE("maps are lists of ranges") {
  IdMaps maps;
  CHECK_FALSE(maps.wanted());
  REQUIRE(Takes(ReadUidMap, List({Range(0, 1000, 1), Range(1, 100000, 65535)}), &maps));
  REQUIRE(maps.uids.size() == 2);
  CHECK(maps.uids[1].inside == 1);
  CHECK(maps.uids[1].outside == 100000);
  CHECK(maps.uids[1].length == 65535);
  CHECK(maps.gids.empty());
  CHECK(maps.wanted());
  CHECK(MapText(maps.uids) == "0 1000 1\n1 100000 65535");
  REQUIRE(Takes(ReadGidMap, List({Range(0, 0, 4294967295)}), &maps));
  CHECK(maps.gids[0].length == 4294967295);
  CHECK(Takes(ReadUidMap, List({Range(4294967294, 4294967294, 1)})));
}

TEST_CASE("what no kernel would take is no map") {
  for (const std::string& term :
       {Atom("deny"), List({}), Range(0, 0, 1), List({Atom("root")}),
        List({Tuple({Uint(0), Uint(0)})}), List({Range(0, 0, 0)}), List({Range(4294967295, 0, 1)}),
        List({Range(0, 4294967295, 1)}), List({Range(4294967296, 0, 1)}),
        List({Range(0, 0, 4294967296)}), List({Range(1, 0, 4294967295)}),
        List({Range(0, 4294967294, 2)}), List({Tuple({Int(-1), Uint(0), Uint(1)})}),
        List({Range(0, 1000, 10), Range(9, 2000, 1)}),
        List({Range(0, 1000, 10), Range(10, 1005, 1)}), List({Range(5, 0, 1), Range(5, 1, 1)}),
        Ranges(341, 1000)}) {
    CHECK_FALSE(Takes(ReadUidMap, term));
    CHECK_FALSE(Takes(ReadGidMap, term));
  }
}

TEST_CASE("a map holds as many ranges as a page has room for, 340 at most") {
  CHECK(Takes(ReadUidMap, Ranges(340, 1000)));
  CHECK_FALSE(Takes(ReadUidMap, Ranges(340, 4000000000)));
  CHECK(Takes(ReadUidMap, Ranges(200, 4000000000)));
}

TEST_CASE("setgroups is allowed or denied") {
  IdMaps maps;
  REQUIRE(Takes(ReadSetgroups, Atom("allow"), &maps));
  CHECK(maps.setgroups == true);
  REQUIRE(Takes(ReadSetgroups, Atom("deny"), &maps));
  CHECK(maps.setgroups == false);
  CHECK(maps.wanted());
  for (const std::string& term : {Atom("true"), Atom("kill"), Uint(0)}) {
    CHECK_FALSE(Takes(ReadSetgroups, term));
  }
}

}  // namespace
}  // namespace linx
