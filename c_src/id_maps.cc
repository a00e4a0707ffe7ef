#include "id_maps.h"

#include <algorithm>

namespace linx {
namespace {

constexpr uint64_t kIdCount = 4294967295;  // the last number is no id to the kernel
constexpr size_t kMaxRanges = 340;         // UID_GID_MAP_MAX_EXTENTS
constexpr size_t kMaxText = 4096;          // the kernel wants less than a page, in one write

bool ReadRange(TermReader& reader, IdRange* out) {
  uint64_t inside, outside, length;
  if (!reader.ReadTupleOf(3) || !reader.ReadUint(kIdCount - 1, &inside) ||
      !reader.ReadUint(kIdCount - 1, &outside) || !reader.ReadUint(kIdCount, &length)) {
    return false;
  }
  if (length == 0 || length > kIdCount - std::max(inside, outside)) return false;
  *out = {static_cast<uint32_t>(inside), static_cast<uint32_t>(outside),
          static_cast<uint32_t>(length)};
  return true;
}

bool Overlap(std::vector<IdRange> map, uint32_t IdRange::*side) {
  std::sort(map.begin(), map.end(),
            [side](const IdRange& a, const IdRange& b) { return a.*side < b.*side; });
  return std::adjacent_find(map.begin(), map.end(), [side](const IdRange& a, const IdRange& b) {
           return b.*side - a.*side < a.length;
         }) != map.end();
}

bool ReadMap(TermReader& reader, std::vector<IdRange>* out) {
  const bool read = reader.ReadList([out](TermReader& element) {
    return out->size() < kMaxRanges && ReadRange(element, &out->emplace_back());
  });
  return read && !out->empty() && !Overlap(*out, &IdRange::inside) &&
         !Overlap(*out, &IdRange::outside) && MapText(*out).size() < kMaxText;
}

}  // namespace

bool ReadUidMap(TermReader& reader, IdMaps* out) { return ReadMap(reader, &out->uids); }

bool ReadGidMap(TermReader& reader, IdMaps* out) { return ReadMap(reader, &out->gids); }

bool ReadSetgroups(TermReader& reader, IdMaps* out) {
  Value word;
  if (!reader.ReadName(&word) || (word != Value::allow_ && word != Value::deny_)) return false;
  out->setgroups = word == Value::allow_;
  return true;
}

std::string MapText(const std::vector<IdRange>& map) {
  std::string text;
  for (const IdRange& range : map) {
    if (!text.empty()) text += '\n';
    text += std::to_string(range.inside) + ' ' + std::to_string(range.outside) + ' ' +
            std::to_string(range.length);
  }
  return text;
}

}  // namespace linx
