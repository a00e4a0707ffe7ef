// Files that a request brings along. No heap, no errno.
#ifndef LINX_MOUNT_FILES_H_
#define LINX_MOUNT_FILES_H_

#include <cstddef>
#include <cstdint>

#include "mount_steps.h"

namespace linx {

// Writes each file among the mounts to a tmpfs of their own, which only mounts of single files are
// left of: `tree` of each is a detached one. Where that fails, `*element` is which.
long WriteFiles(ChildMount* mounts, size_t count, int32_t* element);

}  // namespace linx

#endif  // LINX_MOUNT_FILES_H_
