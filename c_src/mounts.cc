#include "mounts.h"

namespace linx {

bool ReadRoot(TermReader&, Mounts*) { return false; }
bool ReadMounts(TermReader&, Mounts*) { return false; }

std::string DetailOf(const Mounts&, Stage, int32_t) { return {}; }

size_t SizeOf(const Mounts&) { return 0; }
ChildMounts Copy(const Mounts&, Region*) { return {}; }

long MakeMounts(const ChildMounts&, MountFailure*) { return 0; }

}  // namespace linx
