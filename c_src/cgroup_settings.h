// Writes what a request asks of a session's cgroups (`cgroup_controls`).
#ifndef LINX_CGROUP_SETTINGS_H_
#define LINX_CGROUP_SETTINGS_H_

#include "cgroup_controls.h"
#include "leaf.h"
#include "result.h"

namespace linx {

// The settings of the leaf. A controller that the leaf does not have is turned on in the
// subtree_control of the cgroup above it, for the leaf and its siblings, and stays on: others may
// count on it by the time that the leaf is gone.
//
// Errors: cgroup_controls; ENODEV where the cgroup above has no such controller, EBUSY where it
// cannot hand it on because processes are in it, what the file answers to the value. The detail is
// a path and what was written to it.
Status WriteLeafSettings(const Leaf& leaf, const CgroupControls& controls);

// The settings of one controller of version 1. A cpuset starts out with the CPUs and memory nodes
// of the cgroup above: without any nobody could be moved there. Errors: as above.
Status WriteSettings1(const Leaf& cgroup, Controller controller, const CgroupControls& controls);

}  // namespace linx

#endif  // LINX_CGROUP_SETTINGS_H_
