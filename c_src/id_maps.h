// The id maps of a fresh user namespace, which the agent writes while the child is parked.
#ifndef LINX_ID_MAPS_H_
#define LINX_ID_MAPS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "term_reader.h"

namespace linx {

struct IdRange {
  uint32_t inside = 0, outside = 0, length = 0;
};

// As a request has them.
struct IdMaps {
  std::vector<IdRange> uids, gids;
  std::optional<bool> setgroups;  // allow, deny; none: as the kernel has it
  bool wanted() const { return !uids.empty() || !gids.empty() || setgroups; }
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadUidMap(TermReader& reader, IdMaps* out);
bool ReadGidMap(TermReader& reader, IdMaps* out);
bool ReadSetgroups(TermReader& reader, IdMaps* out);

constexpr char kExpectedIdMap[] = "a list of {inside, outside, length}";
constexpr char kExpectedSetgroups[] = ":allow or :deny";

}  // namespace linx

#endif  // LINX_ID_MAPS_H_
