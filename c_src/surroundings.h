// What a workload finds around itself in its fresh namespaces: names, clocks, a loopback interface;
// and its place in line where memory is out.
#ifndef LINX_SURROUNDINGS_H_
#define LINX_SURROUNDINGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "launch_memory.h"
#include "term_reader.h"

namespace linx {

// What a fresh time namespace adds to the clocks, in nanoseconds.
struct TimeOffsets {
  int64_t monotonic = 0, boottime = 0;
};

// As a request has them; what it leaves out stays as it is.
struct Surroundings {
  std::string hostname, domainname;
  bool loopback = false;
  std::optional<TimeOffsets> time_offsets;
  std::optional<int32_t> oom_score_adj;

  // Whether the child may share no memory with the agent or an init. A score is that of all who
  // share the memory, and so is being dumpable, without which an ordinary user's child does not own
  // the files of /proc/self.
  bool needs_own_memory() const { return time_offsets || oom_score_adj; }
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadHostname(TermReader& reader, Surroundings* out);
bool ReadDomainname(TermReader& reader, Surroundings* out);
bool ReadLoopback(TermReader& reader, Surroundings* out);
bool ReadTimeOffsets(TermReader& reader, Surroundings* out);
bool ReadOomScoreAdj(TermReader& reader, Surroundings* out);

constexpr char kExpectedHostname[] = "a binary of 1..64 bytes without NUL";
constexpr char kExpectedTimeOffsets[] = "{monotonic, boottime} in nanoseconds";
constexpr char kExpectedOomScoreAdj[] = "-1000..1000";

// The same for the child, outside the heap. What is null stays as it is.
struct ChildSurroundings {
  const char* hostname = nullptr;
  const char* domainname = nullptr;
  const char* time_offsets = nullptr;   // as /proc/self/timens_offsets takes them
  const char* oom_score_adj = nullptr;  // likewise
  bool loopback = false;
  bool become_dumpable = false;  // for a moment, to own the files of /proc/self
};

size_t SizeOf(const Surroundings& surroundings);
ChildSurroundings Copy(const Surroundings& surroundings, Region* region);

// The child's steps: no heap, no errno. Each answers 0 or a negative errno; -ENODEV where /proc is
// not what it should be.
long SetTimeOffsets(const ChildSurroundings& surroundings);
long SetHostname(const ChildSurroundings& surroundings);
long SetDomainname(const ChildSurroundings& surroundings);
long RaiseLoopback(const ChildSurroundings& surroundings);
long SetOomScoreAdj(const ChildSurroundings& surroundings);

// What the failed step was to set; empty where its stage says it all.
std::string DetailOf(const Surroundings& surroundings, Stage stage);

}  // namespace linx

#endif  // LINX_SURROUNDINGS_H_
