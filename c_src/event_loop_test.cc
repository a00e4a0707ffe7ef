#include "event_loop.h"

#include <doctest/doctest.h>
#include <sys/epoll.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "test_process.h"

namespace linx {
namespace {

// A handler that a test writes in place.
struct Source {
  std::function<void()> call;
  int calls = 0;
  void OnEvent() {
    ++calls;
    if (call) call();
  }
  Handler handler() { return Handler::To<&Source::OnEvent>(this); }
};

struct OpenLoop : EventLoop {
  OpenLoop() { REQUIRE(Open().ok()); }
  Watch Watching(int fd, uint32_t events, Source& source) {
    Result<Watch> added = Add(fd, events, source.handler());
    REQUIRE(added.ok());
    return added.Take();
  }
  // Turns until `so` says yes.
  template <typename Predicate>
  bool TurnUntil(Predicate so) {
    for (int turns = 0; turns < 1000 && !so(); ++turns) Turn(test::kDeadlineMs / 1000);
    return so();
  }
};

void Put(const test::Pipe& pipe) { CHECK(write(pipe.in.get(), "x", 1) == 1); }

TEST_CASE("a handler is called while its fd is ready, and not before") {
  OpenLoop loop;
  test::Pipe pipe;
  Source source;
  const auto watch = loop.Watching(pipe.out.get(), EPOLLIN, source);
  loop.Turn(0);
  CHECK(source.calls == 0);
  Put(pipe);
  loop.Turn();
  loop.Turn();
  CHECK(source.calls == 2);
}

TEST_CASE("several sources are served in one turn") {
  OpenLoop loop;
  test::Pipe pipes[10];
  Source sources[10];
  std::vector<EventLoop::Watch> watches;
  for (int i = 0; i < 10; ++i) {
    watches.push_back(loop.Watching(pipes[i].out.get(), EPOLLIN, sources[i]));
    Put(pipes[i]);
  }
  loop.Turn();
  for (const Source& source : sources) CHECK(source.calls == 1);
}

TEST_CASE("more sources than one turn serves all get their share") {
  OpenLoop loop;
  constexpr size_t kCount = 150;
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<EventLoop::Watch> watches;
  test::Pipe pipe;
  std::vector<UniqueFd> copies;
  for (size_t i = 0; i < kCount; ++i) {
    copies.emplace_back(fcntl(pipe.out.get(), F_DUPFD_CLOEXEC, 0));
    sources.push_back(std::make_unique<Source>());
    watches.push_back(loop.Watching(copies.back().get(), EPOLLIN, *sources.back()));
  }
  Put(pipe);
  for (int turns = 0; turns < 3; ++turns) loop.Turn();
  for (const auto& source : sources) CHECK(source->calls >= 1);
}

TEST_CASE("a watch that ends is not called any more") {
  OpenLoop loop;
  test::Pipe pipe;
  Source source;
  {
    const auto watch = loop.Watching(pipe.out.get(), EPOLLIN, source);
    Put(pipe);
  }
  loop.Turn(0);
  CHECK(source.calls == 0);
}

TEST_CASE("a handler may end its own watch") {
  OpenLoop loop;
  test::Pipe pipe;
  Source source;
  auto watch = loop.Watching(pipe.out.get(), EPOLLIN, source);
  source.call = [&] { watch.Reset(); };
  Put(pipe);
  loop.Turn();
  loop.Turn(0);
  CHECK(source.calls == 1);
}

TEST_CASE("a watch that a handler of the same turn ends is not called") {
  OpenLoop loop;
  test::Pipe pipes[2];
  Source sources[2];
  EventLoop::Watch watches[2];
  for (int i = 0; i < 2; ++i) {
    watches[i] = loop.Watching(pipes[i].out.get(), EPOLLIN, sources[i]);
    sources[i].call = [&watches, i] { watches[1 - i].Reset(); };
    Put(pipes[i]);
  }
  loop.Turn();
  CHECK(sources[0].calls + sources[1].calls == 1);
}

TEST_CASE("an event is not mistaken for one of its slot's next owner") {
  OpenLoop loop;
  test::Pipe pipes[2], idle;
  Source sources[2], newcomer;
  EventLoop::Watch watches[2], late;
  for (int i = 0; i < 2; ++i) {
    watches[i] = loop.Watching(pipes[i].out.get(), EPOLLIN, sources[i]);
    sources[i].call = [&, i] {
      // The other's slot is free from here on, and taken at once.
      watches[1 - i].Reset();
      late = loop.Watching(idle.out.get(), EPOLLIN, newcomer);
      watches[i].Reset();
    };
    Put(pipes[i]);
  }
  loop.Turn();
  CHECK(newcomer.calls == 0);
  Put(idle);
  loop.Turn();
  CHECK(newcomer.calls == 1);
}

TEST_CASE("what is wanted can change") {
  OpenLoop loop;
  test::Pipe pipe;
  Source source;
  auto watch = loop.Watching(pipe.in.get(), 0, source);
  loop.Turn(0);
  CHECK(source.calls == 0);
  watch.Want(EPOLLOUT);
  loop.Turn();
  CHECK(source.calls == 1);
  watch.Want(0);
  loop.Turn(0);
  CHECK(source.calls == 1);
}

TEST_CASE("a hang-up wakes the loop, but not where nothing is wanted") {
  OpenLoop loop;
  test::Pipe pipe;
  Source source;
  auto watch = loop.Watching(pipe.out.get(), EPOLLIN, source);
  pipe.in.Reset();
  loop.Turn();
  CHECK(source.calls == 1);
  watch.Want(0);
  loop.Turn(0);
  CHECK(source.calls == 1);
  watch.Want(EPOLLIN);
  loop.Turn();
  CHECK(source.calls == 2);
}

TEST_CASE("within a turn, what is no longer wanted is not called") {
  OpenLoop loop;
  test::Pipe pipes[2];
  Source sources[2];
  EventLoop::Watch watches[2];
  for (int i = 0; i < 2; ++i) {
    watches[i] = loop.Watching(pipes[i].out.get(), EPOLLIN, sources[i]);
    sources[i].call = [&watches, i] { watches[1 - i].Want(0); };
    Put(pipes[i]);
  }
  loop.Turn();
  CHECK(sources[0].calls + sources[1].calls == 1);
}

TEST_CASE("a watch moves with its handler") {
  OpenLoop loop;
  test::Pipe pipe;
  Source source;
  auto watch = loop.Watching(pipe.out.get(), EPOLLIN, source);
  EventLoop::Watch other(std::move(watch));
  CHECK_FALSE(static_cast<bool>(watch));
  CHECK(static_cast<bool>(other));
  Put(pipe);
  loop.Turn();
  CHECK(source.calls == 1);
  other = EventLoop::Watch();
  loop.Turn(0);
  CHECK(source.calls == 1);
}

TEST_CASE("an fd that cannot be watched is an error, and takes no slot") {
  OpenLoop loop;
  Source source;
  const Result<EventLoop::Watch> bad = loop.Add(-1, EPOLLIN, source.handler());
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().stage == Stage::epoll);
  CHECK(bad.error().code == EBADF);
  test::Pipe pipe;
  const auto watch = loop.Watching(pipe.out.get(), EPOLLIN, source);
  const Result<EventLoop::Watch> again = loop.Add(pipe.out.get(), EPOLLIN, source.handler());
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == EEXIST);
  Put(pipe);
  loop.Turn();
  CHECK(source.calls == 1);
}

TEST_CASE("timers fire once, by their time and then by their age") {
  OpenLoop loop;
  std::string order;
  Source first, second, third;
  first.call = [&] { order += '1'; };
  second.call = [&] { order += '2'; };
  third.call = [&] { order += '3'; };
  const auto late = loop.After(30, third.handler());
  const auto early = loop.After(0, first.handler());
  const auto next = loop.After(0, second.handler());
  CHECK(static_cast<bool>(early));
  CHECK(loop.TurnUntil([&] { return order.size() == 3; }));
  CHECK(order == "123");
  CHECK_FALSE(static_cast<bool>(early));
  CHECK_FALSE(static_cast<bool>(late));
  loop.Turn(0);
  CHECK(order == "123");
}

TEST_CASE("a turn waits for the next timer, and no longer") {
  OpenLoop loop;
  Source source;
  const auto timer = loop.After(20, source.handler());
  const auto start = std::chrono::steady_clock::now();
  CHECK(loop.TurnUntil([&] { return source.calls == 1; }));
  // The clock is read in whole milliseconds.
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(19));
}

TEST_CASE("a timer that ends or is replaced does not fire") {
  OpenLoop loop;
  Source ended, replaced, kept;
  auto one = loop.After(0, ended.handler());
  one.Reset();
  { const auto scoped = loop.After(0, ended.handler()); }
  auto two = loop.After(0, replaced.handler());
  two = loop.After(0, kept.handler());
  CHECK(loop.TurnUntil([&] { return kept.calls == 1; }));
  CHECK(ended.calls == 0);
  CHECK(replaced.calls == 0);
}

TEST_CASE("a timer that is started by a timer waits for the next turn") {
  OpenLoop loop;
  Source source;
  EventLoop::Timer timer;
  source.call = [&] { timer = loop.After(0, source.handler()); };
  timer = loop.After(0, source.handler());
  loop.Turn();
  CHECK(source.calls == 1);
  loop.Turn();
  CHECK(source.calls == 2);
  timer.Reset();
}

TEST_CASE("a timer may end another that is due in the same turn") {
  OpenLoop loop;
  Source first, second;
  EventLoop::Timer one, two;
  first.call = [&] { two.Reset(); };
  one = loop.After(0, first.handler());
  two = loop.After(0, second.handler());
  loop.Turn();
  loop.Turn(0);
  CHECK(first.calls == 1);
  CHECK(second.calls == 0);
}

TEST_CASE("a busy source does not keep timers from firing") {
  OpenLoop loop;
  test::Pipe pipe;
  Source busy, timed;
  const auto watch = loop.Watching(pipe.in.get(), EPOLLOUT, busy);
  const auto timer = loop.After(1, timed.handler());
  CHECK(test::Eventually([&] {
    loop.Turn();
    return timed.calls == 1;
  }));
  CHECK(busy.calls >= 1);
}

}  // namespace
}  // namespace linx
