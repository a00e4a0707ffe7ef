#include "reports.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>

#include "init.h"
#include "test_channel.h"

namespace linx {
namespace {

TEST_CASE("reports come one by one, with or without an fd, and then the end") {
  test::Channel channel;
  Report report = {};
  UniqueFd passed;
  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::nothing);
  Report sent = {};
  sent.kind = Report::Kind::launched;
  sent.pid = 7;
  test::Pipe pipe;
  REQUIRE(SendReport(channel.theirs.get(), sent, pipe.in.get()) == 0);
  sent.pid = 8;
  REQUIRE(SendReport(channel.theirs.get(), sent, -1) == 0);
  channel.theirs.Reset();

  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::message);
  CHECK(report.pid == 7);
  // With the fds of sessions, out of the way of children.
  CHECK(passed.get() >= kHighFds);
  CHECK((fcntl(passed.get(), F_GETFD) & FD_CLOEXEC) != 0);
  passed.Reset();
  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::message);
  CHECK(report.pid == 8);
  CHECK_FALSE(static_cast<bool>(passed));
  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::closed);
}

TEST_CASE("a last report is heard of one who left with orders unread") {
  test::Channel channel;
  channel.Send(Order::Kind::proceed);
  REQUIRE(SendReport(channel.theirs.get(), Report{}, -1) == 0);
  channel.theirs.Reset();
  Report report;
  UniqueFd passed;
  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::message);
  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::closed);
}

TEST_CASE("a record of another size is none") {
  test::Channel channel;
  CHECK(send(channel.theirs.get(), "x", 1, 0) == 1);
  Report report;
  UniqueFd passed;
  CHECK(ReceiveReport(channel.ours.get(), &report, &passed) == Got::closed);
}

}  // namespace
}  // namespace linx
