#include "process_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <bitset>
#include <cerrno>

#include "raw_syscall.h"

namespace linx {
namespace {

constexpr uint64_t kUnlimited = UINT64_MAX;
constexpr int64_t kMinNice = -20, kMaxNice = 19;
constexpr uint64_t kMaxUmask = 0777;
constexpr uint64_t kMaxCpu = 8191;  // CONFIG_NR_CPUS goes no further
constexpr size_t kBits = 64;

bool ReadLimit(TermReader& reader, uint64_t* out) {
  if (reader.ReadUint(kUnlimited - 1, out)) return true;
  Value word;
  *out = kUnlimited;
  return reader.ReadName(&word) && word == Value::infinity_;
}

}  // namespace

bool ReadRlimits(TermReader& reader, Limits* out) {
  std::bitset<kRlimitCount> given;
  return reader.ReadList([&](TermReader& element) {
    Rlimit limit;
    if (!element.ReadTupleOf(3) || !element.ReadName(&limit.name)) return false;
    if (!ReadLimit(element, &limit.soft) || !ReadLimit(element, &limit.hard)) return false;
    const auto index = static_cast<size_t>(limit.name);
    if (given.test(index) || limit.soft > limit.hard) return false;
    given.set(index);
    out->rlimits.push_back(limit);
    return true;
  });
}

bool ReadNice(TermReader& reader, Limits* out) {
  int64_t nice;
  if (!reader.ReadInt(&nice) || nice < kMinNice || nice > kMaxNice) return false;
  out->nice = static_cast<int32_t>(nice);
  return true;
}

bool ReadUmask(TermReader& reader, Limits* out) {
  uint64_t umask;
  if (!reader.ReadUint(kMaxUmask, &umask)) return false;
  out->umask = static_cast<uint32_t>(umask);
  return true;
}

bool ReadCpus(TermReader& reader, Limits* out) {
  const bool read = reader.ReadList([out](TermReader& element) {
    uint64_t cpu;
    if (!element.ReadUint(kMaxCpu, &cpu)) return false;
    out->cpus.resize(std::max<size_t>(out->cpus.size(), cpu / kBits + 1));
    out->cpus[cpu / kBits] |= uint64_t{1} << cpu % kBits;
    return true;
  });
  return read && !out->cpus.empty();
}

long SetRlimits(const ChildLimits& limits, RlimitName* failed) {
  for (size_t i = 0; i < limits.rlimit_count; ++i) {
    const Rlimit& limit = limits.rlimits[i];
    const struct rlimit64 wanted = {limit.soft, limit.hard};
    const long rc = raw::Call(SYS_prlimit64, 0, Resource(limit.name), &wanted, nullptr);
    if (rc < 0) {
      *failed = limit.name;
      return rc;
    }
  }
  return 0;
}

long SetNice(const ChildLimits& limits) {
  return limits.set_nice ? raw::Call(SYS_setpriority, PRIO_PROCESS, 0, limits.nice) : 0;
}

long SetCpus(const ChildLimits& limits) {
  if (limits.cpu_words == 0) return 0;
  return raw::Call(SYS_sched_setaffinity, 0, limits.cpu_words * sizeof(uint64_t), limits.cpus);
}

long SetUmask(const ChildLimits& limits) {
  if (limits.set_umask) raw::Call(SYS_umask, limits.umask);
  return 0;
}

}  // namespace linx
