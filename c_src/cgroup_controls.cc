#include "cgroup_controls.h"

namespace linx {

bool ReadCgroupControls(TermReader&, CgroupControls*) { return false; }

}  // namespace linx
