#include "privileges.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "capabilities.h"
#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::List;
using test::Map;
using test::Uint;

using Read = bool (*)(TermReader&, Privileges*);

bool Reads(Read read, const std::string& term, Privileges* out) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  REQUIRE(reader.valid());
  return read(reader, out) && reader.AtEnd();
}

bool Refuses(Read read, const std::string& term) {
  Privileges out;
  return !Reads(read, term, &out);
}

std::vector<Order> OrdersFor(const Privileges& wanted) {
  Checkpoint checkpoint(true);
  Result<std::vector<std::string>> records = OrdersOf(wanted, &checkpoint);
  REQUIRE(records.ok());
  std::vector<Order> orders;
  for (const std::string& record : records.value()) {
    std::memcpy(&orders.emplace_back(), record.data(), sizeof(Order));
  }
  return orders;
}

std::string Rules(const char* syscall) {
  return Map(
      {{Atom("default"), Atom("allow")},
       {Atom("rules"), List({test::Tuple({Atom("kill_process"), Binary(syscall), List({})})})}});
}

TEST_CASE("nothing given is nothing wanted") {
  Privileges out;
  CHECK(Reads(ReadCapabilities, Map({}), &out));
  CHECK(Reads(ReadSeccomp, List({}), &out));
  CHECK_FALSE(out.wanted());
}

TEST_CASE("sets and securebits become orders that each find what they need") {
  Privileges out;
  CHECK(Reads(ReadCapabilities,
              Map({{Atom("effective"), Uint(1)},
                   {Atom("permitted"), Uint(3)},
                   {Atom("inheritable"), Uint(2)},
                   {Atom("bounding"), Uint(7)},
                   {Atom("ambient"), Uint(2)}}),
              &out));
  CHECK(Reads(ReadSecurebits, List({Atom("noroot"), Atom("no_cap_ambient_raise")}), &out));
  const std::vector<Order> orders = OrdersFor(out);
  REQUIRE(orders.size() == 5);
  CHECK(orders[0].kind == Order::Kind::cap_drop_bounding);
  CHECK(orders[0].mask[0] == (AllCapabilities() & ~uint64_t{7}));
  CHECK(orders[1].kind == Order::Kind::cap_set_thread);
  CHECK(orders[1].given == 4);
  CHECK(orders[1].mask[2] == 2);
  CHECK(orders[2].kind == Order::Kind::cap_set_ambient);
  CHECK(orders[3].kind == Order::Kind::securebits);
  CHECK(orders[3].mask[0] == (1u << 0 | 1u << 6));
  CHECK(orders[4].kind == Order::Kind::cap_set_thread);
  CHECK(orders[4].given == 3);
  CHECK(orders[4].mask[0] == 1);
  CHECK(orders[4].mask[1] == 3);
}

TEST_CASE("values of another shape are refused") {
  CHECK(Refuses(ReadCapabilities, List({})));
  CHECK(Refuses(ReadCapabilities, Map({{Atom("all"), Uint(1)}})));
  CHECK(Refuses(ReadCapabilities, Map({{Atom("ambient"), Atom("none")}})));
  CHECK(Refuses(ReadCapabilities, Map({{Atom("ambient"), Uint(1)}, {Atom("ambient"), Uint(1)}})));
  CHECK(Refuses(ReadSecurebits, List({Atom("keep_caps")})));
  CHECK(Refuses(ReadSecurebits, Uint(1)));
  CHECK(Refuses(ReadSeccomp, List({Binary("")})));
  CHECK(Refuses(ReadSeccomp, List({Binary("1234567")})));
  CHECK(Refuses(ReadSeccomp, Binary("12345678")));
  std::string many = "l" + test::BigEndian(kMaxFilters + 1, 4);
  for (size_t i = 0; i <= kMaxFilters; ++i) many += Binary("12345678");
  CHECK(Refuses(ReadSeccomp, many + "j"));
}

TEST_CASE("what cannot be ordered is an error with its stage") {
  Checkpoint checkpoint(true);
  Privileges unknown;
  unknown.bounding = uint64_t{1} << 63;
  CHECK(OrdersOf(unknown, &checkpoint).error().stage == Stage::cap_drop_bounding);
  Privileges filtered;
  CHECK(Reads(ReadSeccomp, List({Rules("read"), Rules("no_such_call")}), &filtered));
  const Error error = OrdersOf(filtered, &checkpoint).error();
  CHECK(error.stage == Stage::seccomp_install);
  CHECK(error.code == EINVAL);
  CHECK(error.detail == "no_such_call");
}

}  // namespace
}  // namespace linx
