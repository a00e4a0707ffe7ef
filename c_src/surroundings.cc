#include "surroundings.h"

namespace linx {

bool ReadHostname(TermReader&, Surroundings*) { return false; }
bool ReadDomainname(TermReader&, Surroundings*) { return false; }
bool ReadLoopback(TermReader&, Surroundings*) { return false; }
bool ReadTimeOffsets(TermReader&, Surroundings*) { return false; }
bool ReadOomScoreAdj(TermReader&, Surroundings*) { return false; }

size_t SizeOf(const Surroundings&) { return 0; }
ChildSurroundings Copy(const Surroundings&, Region*) { return {}; }

long SetTimeOffsets(const ChildSurroundings&) { return 0; }
long SetHostname(const ChildSurroundings&) { return 0; }
long SetDomainname(const ChildSurroundings&) { return 0; }
long RaiseLoopback(const ChildSurroundings&) { return 0; }
long SetOomScoreAdj(const ChildSurroundings&) { return 0; }

}  // namespace linx
