#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "events.h"
#include "frame.h"
#include "test_frames.h"
#include "unique_fd.h"

namespace linx {
namespace {

// The one frame that `write` makes, without its length.
template <typename Write>
std::string Body(Write write) {
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  const UniqueFd out(fds[0]), in(fds[1]);
  Outbox outbox;
  write(outbox);
  REQUIRE(outbox.Flush(in.get()) == Io::would_block);
  FrameReader reader;
  REQUIRE(reader.Fill(out.get()) == Io::would_block);
  const FrameReader::Frame frame = reader.Next();
  REQUIRE(frame.kind == FrameReader::Frame::Kind::complete);
  return std::string(frame.body);
}

template <typename Say>
std::string EventFrame(std::optional<uint64_t> id, Say say) {
  return Body([&](Outbox& outbox) {
    Events events(&outbox, id);
    say(events);
  });
}

// Output of these bytes.
auto Output(Event stream, std::string_view bytes) {
  return [stream, bytes](Events& events) {
    events.Output(stream, 65536,
                  [bytes](char* to, size_t) { return bytes.copy(to, bytes.size()); });
  };
}

void SayUsage(Events& events) {
  Usage usage;
  usage.utime_us = 1'500'000;
  usage.stime_us = 20'000;
  usage.max_rss_kb = 123'456;
  usage.minor_faults = 70'000;
  usage.voluntary_switches = 12;
  usage.involuntary_switches = 345;
  usage.wall_us = 123'456'789'012;
  usage.core_dumped = true;
  events.Used(usage);
}

void SayStats(Events& events) {
  SessionStats stats;
  stats.tree = {1'520'000, 5'368'709'120, 3, 4};
  stats.bytes = {1, 123'456'789'012, 0, 256, 65'536};
  events.Stats(stats);
}

void SaySyscall(Events& events) {
  events.Syscall({UINT64_MAX - 1,
                  4321,
                  83,
                  "mkdir",
                  0xc000003e,
                  0x7fff12345678,
                  {0xffffffffffffff9c, 0755, 0, 0, 0, 1}});
}

TEST_CASE("an event has the bytes of its golden frame") {
  const auto error = [](std::string detail) {
    return [detail](Events& events) { events.Failed(Error::Of(Stage::execve, ENOENT, detail)); };
  };
  struct Case {
    const char* name;
    std::string body;
  };
  const Case cases[] = {
      {"event_spawned", EventFrame({}, [](Events& e) { e.Spawned(4194303); })},
      {"event_ready", EventFrame({}, [](Events& e) { e.Ready(1); })},
      {"event_running", EventFrame({}, [](Events& e) { e.Running(); })},
      {"event_forked", EventFrame({}, [](Events& e) { e.Forked(); })},
      {"event_exited", EventFrame({}, [](Events& e) { e.Exited(255); })},
      {"event_signaled", EventFrame({}, [](Events& e) { e.Signaled(9); })},
      {"event_aborted", EventFrame({}, [](Events& e) { e.Aborted(1); })},
      {"event_paused", EventFrame({}, [](Events& e) { e.Paused(); })},
      {"event_resumed", EventFrame({}, [](Events& e) { e.Resumed(); })},
      {"event_usage", EventFrame({}, SayUsage)},
      {"event_stats", EventFrame({}, SayStats)},
      {"event_syscall", EventFrame({}, SaySyscall)},
      {"envelope_event_paused", EventFrame(2, [](Events& e) { e.Paused(); })},
      {"event_error", EventFrame({}, error("the anonymous form has no details"))},
      {"event_refused", EventFrame({}, [](Events& e) { e.Refused(EBUSY, "proceed"); })},
      {"event_malformed_command",
       EventFrame({}, [](Events& e) { e.Refused(EINVAL, "malformed_command", "no details"); })},
      {"event_pty_out", EventFrame({}, Output(Event::pty_out, {"$ \x1b[0m\0\xff", 8}))},
      {"event_stdout", EventFrame({}, Output(Event::stdout, {"\0\r\n\xff", 4}))},
      {"event_stderr", EventFrame({}, Output(Event::stderr, "oops\n"))},
      {"event_stdout_eof", EventFrame({}, [](Events& e) { e.Eof(Event::stdout); })},
      {"event_stdin_ack", EventFrame({}, [](Events& e) { e.StdinAck(65536); })},
      {"event_stdin_closed", EventFrame({}, [](Events& e) { e.StdinClosed(); })},
      {"envelope_event_exited", EventFrame(1, [](Events& e) { e.Exited(0); })},
      {"envelope_event_pty_out", EventFrame(INT64_MAX, Output(Event::pty_out, "hello\r\n"))},
      {"envelope_event_stderr_eof", EventFrame(2, [](Events& e) { e.Eof(Event::stderr); })},
      {"envelope_event_error", EventFrame(300, error("/bin/nothing"))},
      {"envelope_event_refused",
       EventFrame(300, [](Events& e) { e.Refused(EINVAL, "seccomp_rules", "no_such_call"); })},
      {"envelope_event_seccomp_filter", EventFrame(256,
                                                   [](Events& e) {
                                                     e.SeccompFilter({"\x06\0\0\0\0\0\xff\x7f", 8});
                                                   })},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(c.body == test::Golden(c.name));
  }
}

TEST_CASE("an answer's map and list have the bytes of their golden frames") {
  // Erlang's order of keys, for the sake of comparing.
  CHECK(Body([](Outbox& outbox) {
          TermWriter term = outbox.BeginFrame();
          term.Tuple(2);
          term.Atom(CommandName::hello);
          {
            MapWriter map(term);
            {
              ListWriter features(map.Key(Field::features));
              features.Item().Atom(Feature::clone3);
              features.Item().Atom(Feature::pidfd);
            }
            map.Key(Field::landlock_abi).Int(7);
            map.Key(Field::pid).Int(4242);
            map.Key(Field::protocol).Int(1);
            map.Key(Field::version).Binary("0.1.0");
          }
          outbox.EndFrame();
        }) == test::Golden("envelope_event_hello"));
  CHECK(Body([](Outbox& outbox) {
          TermWriter term = outbox.BeginFrame();
          term.Tuple(2);
          term.Atom(CommandName::capabilities);
          {
            ListWriter names(term);
            names.Item().Atom("cap_chown");
            names.Item().Atom("cap_dac_override");
          }
          outbox.EndFrame();
        }) == test::Golden("envelope_event_capabilities"));
}

TEST_CASE("every golden request is a plan, and every other frame a term") {
  size_t requests = 0;
  for (const test::GoldenFrame& frame : test::GoldenFrames()) {
    CAPTURE(frame.name);
    TermReader reader(frame.body);
    CHECK(reader.valid());
    CommandName name = CommandName::abort;
    if (frame.name.rfind("request_", 0) != 0) continue;
    REQUIRE((reader.ReadTupleOf(2) && reader.ReadName(&name)));
    const Mode mode = name == CommandName::spawn ? Mode::spawn : Mode::enter;
    CHECK(ReadPlan(mode, reader).ok());
    ++requests;
  }
  CHECK(requests >= 9);
}

constexpr size_t kMaxGolden = 4096;

TEST_CASE("no part of a golden frame is a term, and none is read past its end") {
  test::GuardedMemory memory(kMaxGolden);
  for (const test::GoldenFrame& frame : test::GoldenFrames()) {
    CAPTURE(frame.name);
    for (size_t length = 0; length < frame.body.size(); ++length) {
      const std::string_view part = memory.Copy(std::string_view(frame.body).substr(0, length));
      CHECK_FALSE(TermReader(part).valid());
      test::ReadEverything(part);
    }
  }
}

// One to four changes of the kinds that break decoders: a bit, a byte, an extreme length, a piece
// cut out or doubled.
std::string Mutated(std::string body, std::mt19937& random) {
  const auto below = [&random](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const size_t at = below(body.size());
    const size_t length = below(std::min(body.size() - at, size_t{8}) + 1);
    static constexpr std::string_view kExtremes[] = {"\xff\xff\xff\xff", "\x80", "\x7f\xff"};
    switch (below(6)) {
      case 0:
        if (!body.empty()) body[at] = static_cast<char>(body[at] ^ 1 << below(8));
        break;
      case 1:
        if (!body.empty()) body[at] = static_cast<char>(below(256));
        break;
      case 2:
        body.replace(at, length, kExtremes[below(3)]);
        break;
      case 3:
        body.replace(at, std::min(body.size() - at, size_t{4}), 4, '\0');
        break;
      case 4:
        body.erase(at, length);
        break;
      default:
        body.insert(at, body.substr(at, length));
        break;
    }
  }
  return body;
}

TEST_CASE("no mutation of a golden frame is read past its end") {
  constexpr int kMutations = 100'000;
  const std::vector<test::GoldenFrame> frames = test::GoldenFrames();
  REQUIRE(frames.size() > 40);
  test::GuardedMemory memory(kMaxGolden);
  std::mt19937 random(29);
  int valid = 0;
  for (int i = 0; i < kMutations; ++i) {
    const std::string& original = frames[static_cast<size_t>(i) % frames.size()].body;
    const std::string_view frame = memory.Copy(Mutated(original, random));
    valid += TermReader(frame).valid() ? 1 : 0;
    test::ReadEverything(frame);
  }
  // Enough of them get beyond the first look.
  CHECK(valid > kMutations / 10);
}

}  // namespace
}  // namespace linx
