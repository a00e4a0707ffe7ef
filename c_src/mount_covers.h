// What hides or guards a place that is there already. No heap, no errno.
#ifndef LINX_MOUNT_COVERS_H_
#define LINX_MOUNT_COVERS_H_

namespace linx {

// Makes a directory look empty, or anything else like the null device.
long Mask(int target);

// Makes what is at a place read-only, with all that is mounted below it.
long MakeReadOnly(int target);

}  // namespace linx

#endif  // LINX_MOUNT_COVERS_H_
