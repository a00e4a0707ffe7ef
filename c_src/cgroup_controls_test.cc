#include "cgroup_controls.h"

#include <doctest/doctest.h>

#include "test_terms.h"

namespace linx {
namespace {

using test::Atom;
using test::Binary;
using test::List;
using test::Tuple;

bool Reads(const std::string& term, CgroupControls* out) {
  const std::string frame = test::Frame(term);
  TermReader reader(frame);
  REQUIRE(reader.valid());
  return ReadCgroupControls(reader, out);
}

bool ReadsFile(const std::string& file) {
  CgroupControls controls;
  return Reads(List({Tuple({Binary(file), Binary("1")})}), &controls);
}

bool ReadsFileOf(const char* controller, const std::string& file) {
  CgroupControls controls;
  return Reads(List({Tuple({Atom(controller), Binary(file), Binary("1")})}), &controls);
}

TEST_CASE("controls are for the leaf, or for a controller of version 1") {
  CgroupControls controls;
  REQUIRE(Reads(List({Tuple({Binary("cpu.max"), Binary("50000 100000")}),
                      Tuple({Atom("pids"), Binary("pids.max"), Binary("64")})}),
                &controls));
  REQUIRE(controls.list.size() == 2);
  CHECK_FALSE(controls.list[0].controller);
  CHECK(controls.list[0].file == "cpu.max");
  CHECK(controls.list[0].value == "50000 100000");
  CHECK(controls.list[0].prefix() == "cpu");
  CHECK(controls.list[1].controller == Controller::pids);
  CHECK(controls.leaf());
  CHECK(controls.version1());
}

TEST_CASE("none are asked for by an empty list") {
  CgroupControls controls;
  CHECK(Reads(List({}), &controls));
  CHECK_FALSE(controls.wanted());
  CHECK_FALSE(controls.leaf());
  CHECK_FALSE(controls.version1());
}

TEST_CASE("a file is one name that begins with a controller's") {
  CHECK(ReadsFile("memory.max"));
  CHECK(ReadsFile("hugetlb.2MB.max"));
  CHECK(ReadsFile("cgroup.max.descendants"));
  for (const char* file :
       {"../memory.max", "..", ".", "/sys/fs/cgroup/memory.max", "a/memory.max", "memory", ".max",
        "..max", "cgroup.procs", "cgroup.subtree_control", "cgroup.kill", "cgroup.type"}) {
    CAPTURE(file);
    CHECK_FALSE(ReadsFile(file));
  }
  CHECK_FALSE(ReadsFile(std::string("memory.max\0x", 12)));
}

TEST_CASE("a file of version 1 is the named controller's") {
  CHECK(ReadsFileOf("memory", "memory.limit_in_bytes"));
  CHECK(ReadsFileOf("devices", "devices.deny"));
  CHECK_FALSE(ReadsFileOf("memory", "pids.max"));
  CHECK_FALSE(ReadsFileOf("memory", "memory/../../memory.limit_in_bytes"));
  CHECK_FALSE(ReadsFileOf("memory", "cgroup.procs"));
  CHECK_FALSE(ReadsFileOf("memory", "tasks"));
  CHECK_FALSE(ReadsFileOf("blkio", "blkio.weight"));
}

TEST_CASE("what is no list of controls is refused") {
  for (const std::string& term :
       {Atom("memory"), Binary("memory.max"), List({Binary("memory.max")}),
        List({Tuple({Binary("memory.max")})}), List({Tuple({Binary("memory.max"), Binary("")})}),
        List({Tuple({Binary("memory.max"), Atom("max")})}),
        List({Tuple({Atom("memory"), Binary("memory.max")})}),
        List({Tuple({Atom("memory"), Binary("memory.a"), Binary("1"), Binary("2")})}),
        test::ImproperList({Tuple({Binary("pids.max"), Binary("1")})}, Binary("x"))}) {
    CgroupControls controls;
    CHECK_FALSE(Reads(term, &controls));
  }
}

}  // namespace
}  // namespace linx
