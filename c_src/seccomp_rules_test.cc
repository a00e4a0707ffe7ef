#include "seccomp_rules.h"

#include <doctest/doctest.h>
#include <seccomp.h>

#include <string>

#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::ImproperList;
using test::Int;
using test::List;
using test::Map;
using test::Tuple;
using test::Uint;
using Pair = std::pair<std::string, std::string>;

Result<SeccompRules> Read(const std::string& term) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  REQUIRE(reader.valid());
  return ReadSeccompRules(reader);
}

Result<SeccompRules> ReadRulesOf(const std::string& list) {
  return Read(Map({{Atom("default"), Atom("allow")}, {Atom("rules"), list}}));
}

// One rule that has these arguments.
Result<SeccompRules> ReadArgsOf(const std::string& args) {
  return ReadRulesOf(List({Tuple({Atom("log"), Binary("read"), args})}));
}

TEST_CASE("keys that rules do not know are skipped") {
  const Result<SeccompRules> rules = Read(Map({{Atom("colour"), Uint(1)},
                                               {Atom("trap"), Uint(2)},
                                               {Uint(3), List({})},
                                               {Atom("rules"), List({})},
                                               {Atom("default"), Atom("kill_thread")}}));
  REQUIRE(rules.ok());
  CHECK(rules.value().default_action == SCMP_ACT_KILL_THREAD);
  CHECK(rules.value().rules.empty());
}

TEST_CASE("rules that cannot be meant are refused, and the detail says where") {
  struct Case {
    std::string term;
    const char* where;
  };
  const std::string rule = Tuple({Atom("allow"), Binary("read"), List({})});
  const Pair default_pair = {Atom("default"), Atom("allow")};
  const Pair rules_pair = {Atom("rules"), List({rule})};
  const Case cases[] = {
      {List({rule}), "expected a map"},
      {Map({}), "default: required"},
      {Map({default_pair}), "rules: required"},
      {Map({rules_pair}), "default: required"},
      {Map({default_pair, default_pair, rules_pair}), "default: given twice"},
      {Map({default_pair, rules_pair, rules_pair}), "rules: given twice"},
      {Map({{Atom("default"), Atom("deny")}, rules_pair}), "default: expected"},
      {Map({{Atom("default"), Tuple({Atom("errno"), Uint(0)})}, rules_pair}), "default: expected"},
      {Map({{Atom("default"), Tuple({Atom("errno"), Uint(4095)})}, rules_pair}), "default: exp"},
      {Map({{Atom("default"), Tuple({Atom("allow"), Uint(1)})}, rules_pair}), "default: expected"},
      {Map({default_pair, {Atom("rules"), rule}}), "rules: expected a list"},
      {Map({default_pair, {Atom("rules"), ImproperList({rule}, rule)}}), "rules: expected a list"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.term);
    const Result<SeccompRules> rules = Read(c.term);
    REQUIRE_FALSE(rules.ok());
    CHECK(rules.error().code == EINVAL);
    CHECK(rules.error().detail.rfind(c.where, 0) == 0);
  }
}

TEST_CASE("a rule is an action, a name and arguments") {
  const std::string good = Tuple({Atom("allow"), Binary("read"), List({})});
  for (const std::string& bad : {Atom("read"), Tuple({Atom("allow"), Binary("read")}),
                                 Tuple({Atom("errno"), Binary("read"), List({})}),
                                 Tuple({Tuple({Atom("errno"), Int(-1)}), Binary("read"), List({})}),
                                 Tuple({Atom("allow"), Atom("read"), List({})}),
                                 Tuple({Atom("allow"), Binary(""), List({})}),
                                 Tuple({Atom("allow"), Binary({"read\0", 5}), List({})}),
                                 Tuple({Atom("allow"), Binary(std::string(65, 'x')), List({})}),
                                 Tuple({Atom("allow"), Binary("read"), Atom("nil")})}) {
    const Result<SeccompRules> rules = ReadRulesOf(List({good, good, bad}));
    REQUIRE_FALSE(rules.ok());
    CHECK(rules.error().detail.rfind("rule 3: expected", 0) == 0);
  }
}

TEST_CASE("an argument is compared once, with a number of 64 bits") {
  const std::string eq = Tuple({Uint(1), Atom("eq"), Uint(UINT64_MAX)});
  CHECK(ReadArgsOf(List({eq, Tuple({Uint(5), Atom("masked_eq"), Uint(6), Uint(2)})})).ok());
  for (const std::string& bad :
       {List({eq, eq}), List({Tuple({Uint(6), Atom("eq"), Uint(1)})}),
        List({Tuple({Int(-1), Atom("eq"), Uint(1)})}),
        List({Tuple({Uint(0), Atom("like"), Uint(1)})}),
        List({Tuple({Uint(0), Atom("eq"), Int(-1)})}),
        List({Tuple({Uint(0), Atom("eq"), Uint(1), Uint(1)})}),
        List({Tuple({Uint(0), Atom("masked_eq"), Uint(1)})}),
        List({Tuple({Uint(0), Atom("masked_eq"), Uint(6), Uint(1)})}),
        List({Tuple({Uint(0), Atom("eq"), "n\x09" + std::string(9, '\0') + "\1"})}),
        ImproperList({eq}, eq)}) {
    CAPTURE(bad);
    const Result<SeccompRules> rules = ReadArgsOf(bad);
    REQUIRE_FALSE(rules.ok());
    CHECK(rules.error().detail.rfind("rule 1: expected a list of", 0) == 0);
  }
}

TEST_CASE("there is an end to the number of rules") {
  const auto read = [](size_t count) {
    std::string list = "l" + test::BigEndian(count, 4);
    for (size_t i = 0; i < count; ++i) list += Tuple({Atom("log"), Binary("read"), List({})});
    return ReadRulesOf(list + "j");
  };
  CHECK(read(1024).ok());
  CHECK(read(1025).error().detail == "rule 1024: at most 1024 rules");
}

}  // namespace
}  // namespace linx
