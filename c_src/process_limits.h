// What a workload may use and how it is scheduled: rlimits, nice value, CPUs, umask.
#ifndef LINX_PROCESS_LIMITS_H_
#define LINX_PROCESS_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol.h"
#include "term_reader.h"

namespace linx {

struct Rlimit {
  RlimitName name;
  uint64_t soft = 0, hard = 0;  // UINT64_MAX: no limit
};

// As a request has them; what it leaves out stays as it is.
struct Limits {
  std::vector<Rlimit> rlimits;  // each name once
  std::optional<int32_t> nice;
  std::optional<uint32_t> umask;
  std::vector<uint64_t> cpus;  // bit n of word m stands for CPU 64 * m + n; empty: not asked for
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadRlimits(TermReader& reader, Limits* out);
bool ReadNice(TermReader& reader, Limits* out);
bool ReadUmask(TermReader& reader, Limits* out);
bool ReadCpus(TermReader& reader, Limits* out);

constexpr char kExpectedRlimits[] =
    "a list of {name, soft, hard}, each of 0..18446744073709551614 or :infinity, soft <= hard, "
    "with "
    "a name of getrlimit(2) that is given once";
constexpr char kExpectedNice[] = "-20..19";
constexpr char kExpectedUmask[] = "0..511";
constexpr char kExpectedCpus[] = "a non-empty list of 0..8191";

// The same for the child, outside the heap.
struct ChildLimits {
  const Rlimit* rlimits = nullptr;
  size_t rlimit_count = 0;
  const uint64_t* cpus = nullptr;
  size_t cpu_words = 0;  // 0: as they are
  int32_t nice = 0;
  uint32_t umask = 0;
  bool set_nice = false;
  bool set_umask = false;
};

// The child's steps, in the order in which they are to be taken: no heap, no errno. Each answers 0
// or a negative errno. Where one of the rlimits fails, `*failed` is which.
long SetRlimits(const ChildLimits& limits, RlimitName* failed);
long SetNice(const ChildLimits& limits);
long SetCpus(const ChildLimits& limits);
long SetUmask(const ChildLimits& limits);

}  // namespace linx

#endif  // LINX_PROCESS_LIMITS_H_
