#include "landlock.h"

namespace linx {

bool ReadLandlock(TermReader&, Landlock*) { return false; }

std::string DetailOf(const Landlock&, int32_t) { return {}; }

size_t SizeOf(const Landlock&) { return 0; }
ChildLandlock Copy(const Landlock&, Region*) { return {}; }

long Restrict(const ChildLandlock&, int32_t*) { return 0; }

}  // namespace linx
