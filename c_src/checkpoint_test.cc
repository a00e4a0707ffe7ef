#include "checkpoint.h"

#include <doctest/doctest.h>
#include <linux/seccomp.h>

#include <cstring>
#include <string>

#include "test_beam.h"
#include "test_channel.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::Spawn;
using test::Tuple;
using test::Uint;

const std::string kProceed = Atom("proceed");
const std::string kAllow = test::AlwaysReturn(SECCOMP_RET_ALLOW);

Order OrderOf(const Checkpoint::Ordered& ordered) {
  REQUIRE(std::holds_alternative<std::string>(ordered));
  const std::string& record = std::get<std::string>(ordered);
  Order order;
  REQUIRE(record.size() >= sizeof(order));
  std::memcpy(&order, record.data(), sizeof(order));
  return order;
}

int RefusalOf(const Checkpoint::Ordered& ordered) {
  const auto* refusal = std::get_if<Refusal>(&ordered);
  return refusal == nullptr ? 0 : refusal->code;
}

TEST_CASE("capability commands become orders with their masks") {
  Checkpoint checkpoint(false);
  Order order = OrderOf(checkpoint.Take(CapSetThread{1, 2, 4}));
  CHECK(order.kind == Order::Kind::cap_set_thread);
  CHECK(order.mask[0] == 1);
  CHECK(order.mask[1] == 2);
  CHECK(order.mask[2] == 4);
  CHECK(order.given == 7);
  order = OrderOf(checkpoint.Take(CapSetSome{{}, {}, 4}));
  CHECK(order.given == 4);
  CHECK(order.mask[2] == 4);
  order = OrderOf(checkpoint.Take(CapDropBounding{8}));
  CHECK(order.kind == Order::Kind::cap_drop_bounding);
  CHECK(order.mask[0] == 8);
  CHECK(OrderOf(checkpoint.Take(CapSetAmbient{0})).kind == Order::Kind::cap_set_ambient);
  CHECK(OrderOf(checkpoint.Take(SetSecurebits{5})).kind == Order::Kind::securebits);
}

TEST_CASE("nobody waits for a filter to be tried where nobody could act on it") {
  Checkpoint checkpoint(false, false);
  CHECK(OrderOf(checkpoint.Take(SeccompInstall{kAllow})).try_now == 0);
}

TEST_CASE("a filter's program follows its order") {
  Checkpoint checkpoint(false);
  const Checkpoint::Ordered ordered = checkpoint.Take(SeccompInstall{kAllow});
  const Order order = OrderOf(ordered);
  CHECK(order.kind == Order::Kind::filter);
  CHECK(order.size == kAllow.size());
  CHECK(order.try_now == 1);
  CHECK(std::get<std::string>(ordered).substr(sizeof(Order)) == kAllow);
}

TEST_CASE("a session has one filter that has calls notified") {
  // BPF_RET | BPF_K with SECCOMP_RET_USER_NOTIF, after an instruction that is not.
  const std::string notify = kAllow + std::string("\x06\0\0\0\0\0\xc0\x7f", 8);
  Checkpoint checkpoint(false);
  CHECK(OrderOf(checkpoint.Take(SeccompInstall{kAllow})).notify == 0);
  CHECK(OrderOf(checkpoint.Take(SeccompInstall{notify})).notify == 1);
  CHECK(RefusalOf(checkpoint.Take(SeccompInstall{notify})) == EBUSY);
  CHECK(OrderOf(checkpoint.Take(SeccompInstall{kAllow})).notify == 0);
}

TEST_CASE("a capability that the kernel does not have is refused") {
  Checkpoint checkpoint(false);
  constexpr uint64_t kNone = uint64_t{1} << 63;
  CHECK(RefusalOf(checkpoint.Take(CapDropBounding{kNone})) == EINVAL);
  CHECK(RefusalOf(checkpoint.Take(CapSetThread{0, 0, kNone})) == EINVAL);
  CHECK(RefusalOf(checkpoint.Take(CapSetAmbient{~uint64_t{0}})) == EINVAL);
}

TEST_CASE("a child keeps only so many orders") {
  Checkpoint checkpoint(false);
  for (size_t i = 0; i < kMaxCapCommands; ++i) OrderOf(checkpoint.Take(CapSetAmbient{0}));
  for (size_t i = 0; i < kMaxFilters; ++i) OrderOf(checkpoint.Take(SeccompInstall{kAllow}));
  CHECK(RefusalOf(checkpoint.Take(CapSetAmbient{0})) == ENOBUFS);
  CHECK(RefusalOf(checkpoint.Take(CapDropBounding{0})) == ENOBUFS);
  CHECK(RefusalOf(checkpoint.Take(SeccompInstall{kAllow})) == ENOBUFS);
  CHECK(OrderOf(checkpoint.Take(Proceed{})).kind == Order::Kind::proceed);
}

TEST_CASE("after proceed nothing can be ordered any more") {
  Checkpoint checkpoint(false);
  SUBCASE("said by the BEAM") { OrderOf(checkpoint.Take(Proceed{})); }
  SUBCASE("said by the plan") { checkpoint.Pass(); }
  CHECK(checkpoint.passed());
  CHECK(RefusalOf(checkpoint.Take(Proceed{})) == EBUSY);
  CHECK(RefusalOf(checkpoint.Take(CapDropBounding{0})) == EBUSY);
  CHECK(RefusalOf(checkpoint.Take(CapSetThread{0, 0, 0})) == EBUSY);
  CHECK(RefusalOf(checkpoint.Take(CapSetAmbient{0})) == EBUSY);
  CHECK(RefusalOf(checkpoint.Take(SeccompInstall{kAllow})) == EBUSY);
  CHECK(RefusalOf(checkpoint.Take(SeccompRules{})) == EBUSY);
}

TEST_CASE("the first refused restriction closes a checkpoint that fails closed") {
  Checkpoint checkpoint(true);
  checkpoint.NoteRefusal(EINVAL, "signal", {});
  checkpoint.NoteRefusal(EINVAL, "no_command", {});
  CHECK_FALSE(checkpoint.closed());
  checkpoint.NoteRefusal(ENOBUFS, "cap_set_thread", {});
  checkpoint.NoteRefusal(EINVAL, "seccomp_rules", "name");
  REQUIRE(checkpoint.closed());
  CHECK(checkpoint.closed()->stage == Stage::cap_set_thread);
  CHECK(checkpoint.closed()->code == ENOBUFS);
}

TEST_CASE("each restriction has its stage") {
  const std::pair<const char*, Stage> kStages[] = {
      {"cap_drop_bounding", Stage::cap_drop_bounding}, {"cap_set_thread", Stage::cap_set_thread},
      {"cap_set_ambient", Stage::cap_set_ambient},     {"seccomp_install", Stage::seccomp_install},
      {"seccomp_rules", Stage::seccomp_install},
  };
  for (const auto& [name, stage] : kStages) {
    Checkpoint closes(true), does_not(false);
    closes.NoteRefusal(EINVAL, name, "why");
    does_not.NoteRefusal(EINVAL, name, "why");
    REQUIRE(closes.closed());
    CHECK(closes.closed()->stage == stage);
    CHECK(closes.closed()->detail == "why");
    CHECK_FALSE(does_not.closed());
  }
}

TEST_CASE("a session whose restriction was refused ends instead of running") {
  for (const bool fail_closed : {true, false}) {
    Beam beam;
    beam.Send(Spawn({"/bin/true"}, {Flag("fail_closed", fail_closed)}));
    beam.NextReady();
    beam.Send(Tuple({Atom("seccomp_install"), Binary("odd")}));
    CHECK(beam.Next() == "{:refused, 22, :seccomp_install}");
    beam.Send(kProceed);
    if (fail_closed) {
      CHECK(beam.Next() == "{:error, 22, :seccomp_install}");
      CHECK(beam.ExitCode() == kSetupFailed);
    } else {
      CHECK(beam.Next() == "{:status, :running}");
      CHECK(beam.Next() == "{:status, :exited, 0}");
    }
  }
}

}  // namespace
}  // namespace linx
