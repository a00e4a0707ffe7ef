#include "events.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "test_process.h"
#include "test_show.h"

namespace linx {
namespace {

using Shown = std::vector<std::string>;

// What the BEAM would get of what `say` says.
template <typename Say>
Shown Said(std::optional<uint64_t> id, Say say) {
  test::Pipe pipe;
  Outbox outbox;
  Events events(&outbox, id);
  say(events);
  CHECK(events.pending() == outbox.pending());
  REQUIRE(outbox.Flush(pipe.in.get()) == Io::would_block);
  REQUIRE(outbox.pending() == 0);
  pipe.in.Reset();
  FrameReader reader;
  Shown shown;
  while (reader.Fill(pipe.out.get()) != Io::eof) {
  }
  while (const FrameReader::Frame frame = reader.Next()) shown.push_back(test::Show(frame.body));
  return shown;
}

void SayAll(Events& events) {
  events.Spawned(70000);
  events.Ready(1);
  events.Running();
  events.Exited(255);
  events.Signaled(64);
  events.Aborted(0);
  events.SeccompFilter("12345678");
}

TEST_CASE("the anonymous session's events are bare, in the order in which they were said") {
  CHECK(Said({}, SayAll) == Shown{"{:status, :spawned, 70000}", "{:status, :ready, 1}",
                                  "{:status, :running}", "{:status, :exited, 255}",
                                  "{:status, :signaled, 64}", "{:status, :aborted, 0}",
                                  "{:seccomp_filter, \"12345678\"}"});
}

TEST_CASE("in the envelope each event carries its session's id") {
  for (const uint64_t id : {uint64_t{0}, uint64_t{300}, UINT64_MAX >> 1}) {
    const std::string lead = "{" + std::to_string(id) + ", ";
    const Shown bare = Said({}, SayAll);
    const Shown enveloped = Said(id, SayAll);
    REQUIRE(enveloped.size() == bare.size());
    for (size_t i = 0; i < bare.size(); ++i) CHECK(enveloped[i] == lead + bare[i] + "}");
  }
}

TEST_CASE("a detail is for the envelope alone") {
  const auto fail = [](Events& events) {
    events.Failed(Error::Of(Stage::connect_unix, ENOENT, "/a/path"));
    events.Failed(Error::Of(Stage::clone, EPERM));
    events.Refused(EINVAL, "seccomp_rules", "no_such_call");
    events.Refused(EBUSY, "proceed");
  };
  CHECK(Said({}, fail) == Shown{"{:error, 2, :connect_unix}", "{:error, 1, :clone}",
                                "{:refused, 22, :seccomp_rules}", "{:refused, 16, :proceed}"});
  CHECK(Said(5, fail) == Shown{"{5, {:error, 2, :connect_unix, \"/a/path\"}}",
                               "{5, {:error, 1, :clone}}",
                               "{5, {:refused, 22, :seccomp_rules, \"no_such_call\"}}",
                               "{5, {:refused, 16, :proceed}}"});
}

TEST_CASE("output goes into the frame as it is read") {
  size_t offered = 0;
  const auto read = [&](char* to, size_t size) {
    offered = size;
    std::memcpy(to, "output", 6);
    return size_t{6};
  };
  size_t taken = 0;
  const Shown shown =
      Said(2, [&](Events& events) { taken = events.Output(Event::pty_out, 1000, read); });
  CHECK(offered == 1000);
  CHECK(taken == 6);
  CHECK(shown == Shown{"{2, {:pty_out, \"output\"}}"});
}

TEST_CASE("no output is no event, and disturbs none") {
  const Shown shown = Said(2, [](Events& events) {
    events.Running();
    CHECK(events.Output(Event::pty_out, 1000, [](char*, size_t) { return size_t{0}; }) == 0);
    events.Exited(0);
  });
  CHECK(shown == Shown{"{2, {:status, :running}}", "{2, {:status, :exited, 0}}"});
}

TEST_CASE("a frame may be filled to the last byte that was offered") {
  const Shown shown = Said({}, [](Events& events) {
    const size_t taken = events.Output(Event::pty_out, 5000, [](char* to, size_t size) {
      std::memset(to, 'x', size);
      return size;
    });
    CHECK(taken == 5000);
    events.Running();
  });
  CHECK(shown == Shown{"{:pty_out, \"" + std::string(5000, 'x') + "\"}", "{:status, :running}"});
}

}  // namespace
}  // namespace linx
