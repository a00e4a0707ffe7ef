// The id maps of a fresh user namespace, as a request has them.
#ifndef LINX_ID_MAPS_H_
#define LINX_ID_MAPS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "term_reader.h"

namespace linx {

// The ids inside..inside+length-1 of the namespace are outside..outside+length-1 of its parent.
struct IdRange {
  uint32_t inside = 0, outside = 0, length = 0;
};

struct IdMaps {
  std::vector<IdRange> uids, gids;
  std::optional<bool> setgroups;  // allow, deny; none: as the maps need it
  bool wanted() const { return !uids.empty() || !gids.empty() || setgroups; }
};

// Each reads the value of the key of its name, and answers false where it is of another shape, or
// a map that no kernel takes: ids that are none, ranges that overlap, more text than a page holds.
bool ReadUidMap(TermReader& reader, IdMaps* out);
bool ReadGidMap(TermReader& reader, IdMaps* out);
bool ReadSetgroups(TermReader& reader, IdMaps* out);

constexpr char kExpectedIdMap[] =
    "1..340 of {inside, outside, length} that do not overlap, with ids of 0..4294967294, less than "
    "4096 bytes as text";
constexpr char kExpectedSetgroups[] = ":allow or :deny";

// As /proc/PID/uid_map takes it, without the last line's end.
std::string MapText(const std::vector<IdRange>& map);

}  // namespace linx

#endif  // LINX_ID_MAPS_H_
