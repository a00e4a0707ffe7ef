// What a session's cgroups limit, by version 2 and by the controllers of version 1.
#ifndef LINX_CGROUP_CONTROLS_H_
#define LINX_CGROUP_CONTROLS_H_

#include "term_reader.h"

namespace linx {

struct CgroupControls {
  bool wanted() const { return false; }
};

// Reads the value of the key `cgroup_controls`, and answers false where it is of another shape.
bool ReadCgroupControls(TermReader& reader, CgroupControls* out);

constexpr char kExpectedCgroupControls[] = "a list";

}  // namespace linx

#endif  // LINX_CGROUP_CONTROLS_H_
