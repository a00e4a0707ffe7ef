// The BEAM, for tests of what it drives. The agent's loop runs in the test's own process, turn by
// turn, so that a test decides what happens when.
#ifndef LINX_TEST_BEAM_H_
#define LINX_TEST_BEAM_H_

#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <chrono>
#include <deque>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "event_loop.h"
#include "frame.h"
#include "launch.h"
#include "session_table.h"
#include "spare_table.h"
#include "test_process.h"
#include "test_show.h"
#include "test_terms.h"

namespace linx::test {

inline size_t CountFds() {
  size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

inline std::set<std::string> Children() {
  const std::string self = std::to_string(getpid());
  std::istringstream list(ReadFile("/proc/self/task/" + self + "/children"));
  return {std::istream_iterator<std::string>(list), {}};
}

// Signals as the agent has them, for a scope. At its end no child and no fd is left that was not
// there before.
class AgentScope {
 public:
  AgentScope() : fds_(CountFds()), children_(Children()) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask_);
    for (int number = 1; number < kSignals; ++number) {
      sigaction(number, nullptr, &actions_[number]);
      signal(number, SIG_DFL);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  ~AgentScope() {
    CHECK(Children() == children_);
    CHECK(CountFds() == fds_);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    for (int number = 1; number < kSignals; ++number) sigaction(number, &actions_[number], nullptr);
    // What came in meanwhile was meant for the agent.
    const struct timespec now = {};
    sigset_t all;
    sigfillset(&all);
    while (sigtimedwait(&all, nullptr, &now) > 0) {
    }
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  AgentScope(const AgentScope&) = delete;

 private:
  static constexpr int kSignals = 65;
  const size_t fds_;
  const std::set<std::string> children_;
  sigset_t mask_;
  struct sigaction actions_[kSignals];
};

// The soft limit of open files, for a scope.
struct FewFds {
  explicit FewFds(size_t count) {
    getrlimit(RLIMIT_NOFILE, &before);
    const struct rlimit few = {count, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewFds() { setrlimit(RLIMIT_NOFILE, &before); }
  struct rlimit before;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline std::string Binaries(const std::vector<std::string>& strings) {
  std::string out = "l" + BigEndian(strings.size(), 4);
  for (const std::string& text : strings) out += Binary(text);
  return out + "j";
}

inline std::string Request(const char* kind, const std::vector<std::string>& argv, Pairs pairs) {
  pairs.emplace_back(Atom("argv"), Binaries(argv));
  std::string map = "t" + BigEndian(pairs.size(), 4);
  for (const auto& [key, value] : pairs) map += key + value;
  return Tuple({Atom(kind), map});
}

inline std::string Spawn(const std::vector<std::string>& argv, const Pairs& pairs = {}) {
  return Request("spawn", argv, pairs);
}

inline std::string Enter(const std::string& target, const std::vector<std::string>& argv,
                         Pairs pairs = {}) {
  pairs.emplace_back(Atom("target"), target);
  return Request("enter", argv, pairs);
}

inline std::string Shell(const std::string& script, const Pairs& pairs = {}) {
  return Spawn({"/bin/sh", "-c", script}, pairs);
}

inline std::pair<std::string, std::string> Flag(const char* key, bool value = true) {
  return {Atom(key), Atom(value ? "true" : "false")};
}

inline std::pair<std::string, std::string> KillAfter(uint32_t ms) {
  return {Atom("orphan_policy"), Tuple({Atom("kill"), Uint(ms)})};
}

inline std::string Signal(int number) {
  return Tuple({Atom("signal"), Uint(static_cast<uint64_t>(number))});
}

inline std::string InEnvelope(uint64_t id, const std::string& term) {
  return Tuple({Uint(id), term});
}

// As it goes over the channel.
inline std::string Framed(const std::string& term) {
  const std::string body = Frame(term);
  return BigEndian(body.size(), 4) + body;
}

class Beam {
 public:
  Beam()
      : table_(loop_, launcher_, *spares_, *Parents(), to_agent_.out.get(), from_agent_.in.get()) {
    for (const int fd :
         {to_agent_.out.get(), to_agent_.in.get(), from_agent_.out.get(), from_agent_.in.get()}) {
      fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    REQUIRE(loop_.Open().ok());
    REQUIRE(launcher_.Open().ok());
    REQUIRE(table_.Open().ok());
  }
  ~Beam() {
    Close();
    CHECK(Ends());
  }

  // The agent must take all of it; for a BEAM that writes without end there is Write.
  void Send(const std::string& term) { SendBytes(Framed(term)); }
  void SendBytes(std::string bytes) {
    while (!bytes.empty() && !over_) {
      bytes.erase(0, Write(bytes));
      Turn(0);
    }
  }
  // What the pipe takes now; the agent does not get to run.
  size_t Write(const std::string& bytes) {
    const ssize_t n = write(to_agent_.in.get(), bytes.data(), bytes.size());
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  void CloseInput() { to_agent_.in.Reset(); }
  void CloseOutput() { from_agent_.out.Reset(); }
  void Close() {
    CloseInput();
    CloseOutput();
  }

  // One turn of the agent. The BEAM reads what it is sent, unless the test is about that.
  void Turn(int limit_ms = kDeadlineMs) {
    if (over_) return;
    loop_.Turn(limit_ms);
    over_ = !table_.EndTurn();
    if (reads_) Read();
  }
  // As many as are due without waiting for anything to happen.
  void TurnAll() {
    for (int i = 0; i < 50; ++i) Turn(0);
  }
  // Turns until nothing is left to do for the agent: several turns pass without an event.
  bool StandsStill() {
    int quiet = 0;
    return Eventually([&] {
      constexpr auto kQuiet = std::chrono::milliseconds(20);
      const auto start = std::chrono::steady_clock::now();
      Turn(static_cast<int>(kQuiet.count()));
      quiet = std::chrono::steady_clock::now() - start < kQuiet ? 0 : quiet + 1;
      return quiet == 3;
    });
  }
  void StopReading() { reads_ = false; }
  void ResumeReading() { reads_ = true; }

  // The next event, as Elixir would print it; "the end" where the agent is done.
  std::string Next() {
    const bool came = Eventually([&] {
      if (events_.empty()) Turn(10);
      return !events_.empty() || over_;
    });
    if (!came) return "nothing came";
    if (events_.empty()) return "the end";
    std::string event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  // The number at the end of the next event, which begins so.
  int NextNumber(const std::string& begin) {
    const std::string event = Next();
    CAPTURE(event);
    REQUIRE(event.compare(0, begin.size(), begin) == 0);
    return std::stoi(event.substr(begin.size()));
  }
  // From the request to ready; the workload's pid.
  pid_t NextReady(const std::string& lead = "") {
    const pid_t pid = NextNumber(lead + "{:status, :spawned, ");
    NextNumber(lead + "{:status, :ready, ");
    return pid;
  }
  pid_t NextRunning() {
    const pid_t pid = NextReady();
    REQUIRE(Next() == "{:status, :running}");
    return pid;
  }
  // Output up to the event that ends it, which is left for Next.
  std::string NextOutput(const std::string& stream = "pty_out") {
    const std::string begin = "{:" + stream + ", \"";
    std::string all;
    for (;;) {
      const std::string event = Next();
      if (event.compare(0, begin.size(), begin) != 0) {
        events_.push_front(event);
        return all;
      }
      all += event.substr(begin.size(), event.size() - begin.size() - 2);
    }
  }
  bool nothing_came() const { return events_.empty(); }

  // Whether the agent comes to its end before the deadline.
  bool Ends() {
    return Eventually([&] {
      Turn(10);
      return over_;
    });
  }
  int ExitCode() { return Ends() ? table_.exit_code() : -1; }

  SessionTable& table() { return table_; }
  SpareTable& spares() { return *spares_; }
  Launcher& launcher() { return launcher_; }
  // What the pipe to the agent holds.
  size_t unread() const {
    int n = 0;
    ioctl(to_agent_.out.get(), FIONREAD, &n);
    return static_cast<size_t>(n);
  }

 private:
  void Read() {
    if (!from_agent_.out) return;
    while (reader_.Fill(from_agent_.out.get()) == Io::more) Take();
    Take();
  }
  void Take() {
    while (const FrameReader::Frame frame = reader_.Next()) events_.push_back(Show(frame.body));
  }
  static SpareTable* Spares() {
    static SpareTable* const table = SpareTable::Create();
    return table;
  }

  static LeafParents* Parents() {
    static LeafParents* const table = LeafParents::Create();
    return table;
  }

  AgentScope scope_;
  Pipe to_agent_, from_agent_;
  EventLoop loop_;
  Launcher launcher_;
  SpareTable* spares_ = Spares();
  SessionTable table_;
  FrameReader reader_;
  std::deque<std::string> events_;
  bool reads_ = true;
  bool over_ = false;
};

// For what holds with and without an init, up to the session's end.
template <typename Body>
void WithAndWithoutInit(Body body) {
  for (const bool init : {false, true}) {
    CAPTURE(init);
    Beam beam;
    body(beam, Flag("init", init));
    CHECK(beam.Next() == "the end");
    CHECK(beam.ExitCode() == kReported);
  }
}

}  // namespace linx::test

#endif  // LINX_TEST_BEAM_H_
