// Attributes of mounts where the kernel has no mount_setattr(2), that is, before Linux 5.12. No
// heap, no errno.
#ifndef LINX_MOUNT_REMOUNT_H_
#define LINX_MOUNT_REMOUNT_H_

#include <cstddef>
#include <cstdint>

namespace linx {

// Adds attributes to a mount that is in place, or takes some away, by mount(2): MOUNT_ATTR_RDONLY,
// _NOSUID, _NODEV and _NOEXEC. With `recursive` to what is mounted below it as well, but for what
// no path leads to: what lies under another mount, or in a directory that the caller, with all the
// capabilities it has, may not search. The working directory is another one afterwards. -ENODEV
// where /proc is no procfs, through which mounts are told apart here.
long Remount(int mount, uint64_t add, uint64_t take, bool recursive);

// The part of `place` that is below `top`, both absolute paths. Null where it is not below it.
const char* PathBelow(const char* top, const char* place);

}  // namespace linx

#endif  // LINX_MOUNT_REMOUNT_H_
