#include "surroundings.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "proc_self.h"
#include "raw_syscall.h"

namespace linx {
namespace {

constexpr size_t kMaxName = 64;  // __NEW_UTS_LEN
constexpr int64_t kMaxScore = 1000;
constexpr int64_t kSecond = 1'000'000'000;

bool ReadUtsName(TermReader& reader, std::string* out) {
  std::string_view name;
  if (!reader.ReadBinary(&name) || name.empty() || name.size() > kMaxName) return false;
  if (name.find('\0') != name.npos) return false;
  *out = name;
  return true;
}

// The kernel wants the nanoseconds below a second positive.
std::string OffsetLine(const char* clock, int64_t offset) {
  const int64_t below = (offset % kSecond + kSecond) % kSecond;
  return std::string(clock) + ' ' + std::to_string((offset - below) / kSecond) + ' ' +
         std::to_string(below) + '\n';
}

std::string OffsetText(const TimeOffsets& offsets) {
  return OffsetLine("monotonic", offsets.monotonic) + OffsetLine("boottime", offsets.boottime);
}

}  // namespace

bool ReadHostname(TermReader& reader, Surroundings* out) {
  return ReadUtsName(reader, &out->hostname);
}

bool ReadDomainname(TermReader& reader, Surroundings* out) {
  return ReadUtsName(reader, &out->domainname);
}

bool ReadLoopback(TermReader& reader, Surroundings* out) { return reader.ReadBool(&out->loopback); }

bool ReadTimeOffsets(TermReader& reader, Surroundings* out) {
  TimeOffsets& offsets = out->time_offsets.emplace();
  return reader.ReadTupleOf(2) && reader.ReadInt(&offsets.monotonic) &&
         reader.ReadInt(&offsets.boottime) && offsets.monotonic > INT64_MIN + kSecond &&
         offsets.boottime > INT64_MIN + kSecond;
}

bool ReadOomScoreAdj(TermReader& reader, Surroundings* out) {
  int64_t score;
  if (!reader.ReadInt(&score) || score < -kMaxScore || score > kMaxScore) return false;
  out->oom_score_adj = static_cast<int32_t>(score);
  return true;
}

size_t SizeOf(const Surroundings& surroundings) {
  size_t size = surroundings.hostname.size() + surroundings.domainname.size() + 2;
  if (surroundings.time_offsets) size += OffsetText(*surroundings.time_offsets).size() + 1;
  if (surroundings.oom_score_adj) size += std::to_string(*surroundings.oom_score_adj).size() + 1;
  return size;
}

ChildSurroundings Copy(const Surroundings& surroundings, Region* region) {
  ChildSurroundings copy;
  if (!surroundings.hostname.empty()) copy.hostname = region->Copy(surroundings.hostname);
  if (!surroundings.domainname.empty()) copy.domainname = region->Copy(surroundings.domainname);
  if (surroundings.time_offsets) {
    copy.time_offsets = region->Copy(OffsetText(*surroundings.time_offsets));
  }
  if (surroundings.oom_score_adj) {
    copy.oom_score_adj = region->Copy(std::to_string(*surroundings.oom_score_adj));
  }
  copy.loopback = surroundings.loopback;
  return copy;
}

long SetTimeOffsets(const ChildSurroundings& surroundings) {
  if (surroundings.time_offsets == nullptr) return 0;
  return WriteProcSelf("self/timens_offsets", surroundings.time_offsets,
                       surroundings.become_dumpable);
}

long SetHostname(const ChildSurroundings& surroundings) {
  if (surroundings.hostname == nullptr) return 0;
  return raw::Call(SYS_sethostname, surroundings.hostname, std::strlen(surroundings.hostname));
}

long SetDomainname(const ChildSurroundings& surroundings) {
  if (surroundings.domainname == nullptr) return 0;
  return raw::Call(SYS_setdomainname, surroundings.domainname,
                   std::strlen(surroundings.domainname));
}

long RaiseLoopback(const ChildSurroundings& surroundings) {
  if (!surroundings.loopback) return 0;
  const long fd = raw::Call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  struct ifreq lo = {};
  std::memcpy(lo.ifr_name, "lo", sizeof("lo"));
  long rc = raw::Call(SYS_ioctl, fd, SIOCGIFFLAGS, &lo);
  if (rc == 0) {
    lo.ifr_flags = static_cast<short>(lo.ifr_flags | IFF_UP);
    rc = raw::Call(SYS_ioctl, fd, SIOCSIFFLAGS, &lo);
  }
  raw::Call(SYS_close, fd);
  return rc;
}

long SetOomScoreAdj(const ChildSurroundings& surroundings) {
  if (surroundings.oom_score_adj == nullptr) return 0;
  return WriteProcSelf("self/oom_score_adj", surroundings.oom_score_adj,
                       surroundings.become_dumpable);
}

std::string DetailOf(const Surroundings& surroundings, Stage stage) {
  switch (stage) {
    case Stage::hostname:
      return surroundings.hostname;
    case Stage::domainname:
      return surroundings.domainname;
    case Stage::time_offsets:
      return OffsetText(surroundings.time_offsets.value_or(TimeOffsets{}));
    case Stage::oom_score_adj:
      return std::to_string(surroundings.oom_score_adj.value_or(0));
    default:
      return {};
  }
}

}  // namespace linx
