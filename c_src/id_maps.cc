#include "id_maps.h"

namespace linx {

bool ReadUidMap(TermReader&, IdMaps*) { return false; }
bool ReadGidMap(TermReader&, IdMaps*) { return false; }
bool ReadSetgroups(TermReader&, IdMaps*) { return false; }

}  // namespace linx
