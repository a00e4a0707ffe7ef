#include <bitset>
#include <cerrno>

#include "landlock.h"
#include "protocol.h"
#include "raw_syscall.h"

namespace linx {
namespace {

constexpr uint64_t kMaxPort = 65535;

template <typename Name>
bool ReadNames(TermReader& reader, uint64_t* out) {
  return reader.ReadList([out](TermReader& element) {
    Name name;
    if (!element.ReadName(&name)) return false;
    *out |= uint64_t{1} << static_cast<unsigned>(name);
    return true;
  });
}

bool ReadPath(TermReader& reader, LandlockPath* out) {
  std::string_view path;
  if (!reader.ReadTupleOf(2) || !reader.ReadBinary(&path)) return false;
  if (path.empty() || path[0] != '/' || path.find('\0') != path.npos) return false;
  out->path = path;
  return ReadNames<FsRight>(reader, &out->rights);
}

bool ReadPort(TermReader& reader, LandlockPort* out) {
  return reader.ReadTupleOf(2) && reader.ReadUint(kMaxPort, &out->port) &&
         ReadNames<NetRight>(reader, &out->rights);
}

template <typename Rule>
bool ReadRules(TermReader& reader, bool (*read)(TermReader&, Rule*), std::vector<Rule>* out) {
  return reader.ReadList([&](TermReader& element) {
    out->push_back({});
    return read(element, &out->back());
  });
}

bool ReadValue(TermReader& reader, Value key, Landlock* out) {
  switch (key) {
    case Value::handled_fs_:
      return ReadNames<FsRight>(reader, &out->handled_fs);
    case Value::paths_:
      return ReadRules(reader, ReadPath, &out->paths);
    case Value::handled_net_:
      return ReadNames<NetRight>(reader, &out->handled_net);
    case Value::ports_:
      return ReadRules(reader, ReadPort, &out->ports);
    case Value::scopes_:
      return ReadNames<Scope>(reader, &out->scopes);
    case Value::best_effort_:
      return reader.ReadBool(&out->best_effort);
    default:
      return false;
  }
}

// Takes out of `*mask` what the ABI lacks, and names the first such in `*lacking`.
template <typename Name>
void Fit(int abi, unsigned count, uint64_t* mask, std::string* lacking) {
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    const auto name = static_cast<Name>(i);
    if ((*mask & bit) == 0 || LandlockAbiOf(name) <= abi) continue;
    *mask &= ~bit;
    if (!lacking->empty()) continue;
    *lacking = linx::Name(name);
    *lacking += " needs landlock ABI " + std::to_string(LandlockAbiOf(name)) +
                ", this kernel has " + (abi == 0 ? "none" : std::to_string(abi));
  }
}

bool ReadLayer(TermReader& reader, Landlock* out) {
  size_t pairs;
  if (!reader.ReadMap(&pairs)) return false;
  std::bitset<UINT8_MAX + 1> given;
  for (size_t i = 0; i < pairs; ++i) {
    Value key;
    if (!reader.ReadName(&key)) return false;
    const auto index = static_cast<size_t>(key);
    if (given.test(index) || !ReadValue(reader, key, out)) return false;
    given.set(index);
  }
  for (const LandlockPath& rule : out->paths) {
    if ((rule.rights & ~out->handled_fs) != 0) return false;
  }
  for (const LandlockPort& rule : out->ports) {
    if ((rule.rights & ~out->handled_net) != 0) return false;
  }
  return true;
}

}  // namespace

bool ReadLandlock(TermReader& reader, LandlockLayers* out) {
  if (reader.Peek() == TermType::map) return ReadLayer(reader, &out->emplace_back());
  const bool read = reader.ReadList([out](TermReader& element) {
    return out->size() < kMaxLandlockLayers && ReadLayer(element, &out->emplace_back());
  });
  return read && !out->empty();
}

int LandlockAbi() {
  const long abi = raw::Call(SYS_landlock_create_ruleset, nullptr, 0, 1 /* _VERSION */);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Status FitToAbi(int abi, Landlock* landlock) {
  std::string lacking;
  Fit<FsRight>(abi, kFsRightCount, &landlock->handled_fs, &lacking);
  Fit<NetRight>(abi, kNetRightCount, &landlock->handled_net, &lacking);
  Fit<Scope>(abi, kScopeCount, &landlock->scopes, &lacking);
  if (!lacking.empty() && !landlock->best_effort) {
    return Error::Of(Stage::landlock, EOPNOTSUPP, lacking);
  }
  for (LandlockPath& rule : landlock->paths) rule.rights &= landlock->handled_fs;
  for (LandlockPort& rule : landlock->ports) rule.rights &= landlock->handled_net;
  return {};
}

}  // namespace linx
