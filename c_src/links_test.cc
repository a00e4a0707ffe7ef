#include "links.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>

#include "test_streams.h"

namespace linx {
namespace {

using test::Atom;
using test::Beam;
using test::Binary;
using test::Flag;
using test::InEnvelope;
using test::List;
using test::Shell;
using test::Tuple;
using test::Uint;

UniqueFd Claim(Links& links, const std::string& name, FileMode end, uint64_t owner) {
  Result<UniqueFd> claimed = links.Claim({StdioKind::link, name, end}, owner);
  REQUIRE(claimed.ok());
  return claimed.Take();
}

bool IsClosed(const UniqueFd& reader) {
  char byte;
  return test::Readable(reader.get()) && read(reader.get(), &byte, 1) == 0;
}

TEST_CASE("who names the other end gets it, and both ends block") {
  for (const bool reader_first : {true, false}) {
    Links links;
    UniqueFd first = Claim(links, "a", reader_first ? FileMode::read : FileMode::write, 1);
    UniqueFd second = Claim(links, "a", reader_first ? FileMode::write : FileMode::read, 2);
    UniqueFd& reader = reader_first ? first : second;
    UniqueFd& writer = reader_first ? second : first;
    for (const UniqueFd* end : {&reader, &writer}) {
      CHECK((fcntl(end->get(), F_GETFL) & O_NONBLOCK) == 0);
      CHECK((fcntl(end->get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(write(writer.get(), "x", 1) == 1);
    writer.Reset();
    char bytes[2];
    CHECK(read(reader.get(), bytes, 2) == 1);
    // Nobody else holds the other end.
    CHECK(IsClosed(reader));
  }
}

TEST_CASE("a reader may be one that does not wait") {
  for (const bool reader_first : {true, false}) {
    Links links;
    UniqueFd first = Claim(links, "a", reader_first ? FileMode::read_nonblock : FileMode::write, 1);
    UniqueFd second =
        Claim(links, "a", reader_first ? FileMode::write : FileMode::read_nonblock, 2);
    UniqueFd& reader = reader_first ? first : second;
    UniqueFd& writer = reader_first ? second : first;
    CHECK((fcntl(reader.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(writer.get(), F_GETFL) & O_NONBLOCK) == 0);
    writer.Reset();
    CHECK(IsClosed(reader));
  }
}

TEST_CASE("an end that is asked for twice is refused until the name is free again") {
  Links links;
  const UniqueFd first = Claim(links, "a", FileMode::write, 1);
  const Result<UniqueFd> again = links.Claim({StdioKind::link, "a", FileMode::write}, 2);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().stage == Stage::link);
  CHECK(again.error().code == EBUSY);
  CHECK(again.error().detail == "a");
  const UniqueFd other = Claim(links, "b", FileMode::write, 2);
  const UniqueFd second = Claim(links, "a", FileMode::read, 2);
  const UniqueFd next = Claim(links, "a", FileMode::write, 3);
}

TEST_CASE("ends that nobody asked for close with the session that made them") {
  Links links;
  const UniqueFd one = Claim(links, "a", FileMode::read, 1);
  const UniqueFd other = Claim(links, "b", FileMode::read, 2);
  links.Drop(1);
  CHECK(IsClosed(one));
  const UniqueFd writer = Claim(links, "b", FileMode::write, 1);
  CHECK(write(writer.get(), "x", 1) == 1);
  links.Drop(1);
  links.Drop(2);
  char byte;
  CHECK(read(other.get(), &byte, 1) == 1);
}

// A command with its stdin and stdout on links; without a name the fd is the null device or a pipe.
std::string Linked(const std::string& script, const std::string& in, const std::string& out,
                   test::Pairs pairs = {}) {
  const auto link = [](const std::string& name, const char* end, const char* otherwise) {
    return name.empty() ? Atom(otherwise) : Tuple({Atom("link"), Binary(name), Atom(end)});
  };
  pairs.emplace_back(Atom("stdio"), List({Tuple({Atom("stdin"), link(in, "read", "devnull")}),
                                          Tuple({Atom("stdout"), link(out, "write", "pipe")})}));
  return Shell(script, pairs);
}

struct Pipeline : Beam {
  Pipeline() {
    Send(Tuple({Atom("hello"), Uint(1)}));
    Next();
  }
  void Park(uint64_t id, const std::string& request) {
    Send(InEnvelope(id, request));
    NextReady("{" + std::to_string(id) + ", ");
  }
  void Proceed(uint64_t id) { Send(InEnvelope(id, Atom("proceed"))); }
};

TEST_CASE("commands that links connect are a pipeline") {
  for (const bool init : {false, true}) {
    Pipeline beam;
    beam.Park(1, Linked("exec seq 0 200000", "", "1|2", {Flag("init", init)}));
    beam.Park(2, Linked("exec cat", "1|2", "2|3", {Flag("init", init)}));
    beam.Park(3, Linked("exec wc -c", "2|3", "", {Flag("init", init)}));
    for (const uint64_t id : {1, 2, 3}) beam.Proceed(id);
    std::string all, event;
    for (int ended = 0; ended < 3 && event != "nothing came";) {
      event = beam.Next();
      ended += event.find(":exited, 0") != std::string::npos ? 1 : 0;
      if (event.find(":stdout, \"") != std::string::npos) all += event;
    }
    CHECK(all == "{3, {:stdout, \"1288897\n\"}}");
  }
}

TEST_CASE("a reader that ends early ends its writer") {
  Pipeline beam;
  beam.Park(1, Linked("exec yes", "", "1|2"));
  beam.Park(2, Linked("exec head -n 1", "1|2", ""));
  beam.Proceed(1);
  beam.Proceed(2);
  std::set<std::string> events;
  while (events.count("{2, {:status, :exited, 0}}") == 0 ||
         events.count("{1, {:status, :signaled, 13}}") == 0) {
    const std::string event = beam.Next();
    REQUIRE(event != "nothing came");
    events.insert(event);
  }
  CHECK(events.count("{2, {:stdout, \"y\n\"}}") == 1);
}

TEST_CASE("a link whose maker fails is gone, and its name free") {
  Pipeline beam;
  beam.Send(InEnvelope(
      1, test::Spawn({"/no/such/program"},
                     {{Atom("stdio"), List({Tuple({Atom("stdout"), Tuple({Atom("link"), Binary("a"),
                                                                          Atom("write")})})})}})));
  beam.NextReady("{1, ");
  beam.Proceed(1);
  std::string event;
  do {
    event = beam.Next();
  } while (event.rfind("{1, {:error", 0) != 0 && event != "nothing came");
  beam.Park(2, Linked("exec true", "", "a"));
  beam.Send(InEnvelope(3, Linked("exec true", "", "a")));
  CHECK(beam.Next() == "{3, {:error, 16, :link, \"a\"}}");
  beam.Park(3, Linked("exec cat", "a", ""));
  beam.Proceed(2);
  beam.Proceed(3);
  CHECK(test::NextUntilEnd(beam, "{3, ").out_eofs == 1);
}

TEST_CASE("a session alone has nobody to be linked to") {
  Beam beam;
  beam.Send(Linked("exec true", "", "a"));
  CHECK(beam.Next() == "{:error, 22, :link}");
  CHECK(beam.ExitCode() == kSetupFailed);
}

}  // namespace
}  // namespace linx
