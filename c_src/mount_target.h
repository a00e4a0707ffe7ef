// Places in a root that is not trusted: no lookup leaves it, by whatever links. No heap, no errno.
#ifndef LINX_MOUNT_TARGET_H_
#define LINX_MOUNT_TARGET_H_

#include <cstddef>
#include <cstdint>

#include "mount_calls.h"
#include "mount_steps.h"

namespace linx {

// What there is to be at a place; where it is missing, it and the directories above it are made.
enum class Want : uint8_t { whatever_is_there, directory, file };

struct TargetRoot {
  int fd = -1;
  // Where nothing is made but inside these mounts. Null: everywhere.
  const ChildMount* only_in = nullptr;
  size_t only_in_count = 0;
};

// A path of names below the root. -EXDEV where a link leads out of it, -ENOENT where it is missing
// and not made. `resolve` are more flags of openat2(2).
raw::Fd OpenTarget(const TargetRoot& root, const char* path, Want want, uint64_t resolve = 0,
                   uint32_t mode = 0755);

// Whether a path is below /proc but what is at /proc is no procfs, which a root may have to fool
// those who write or hide there: -EMEDIUMTYPE then. -ENOENT where there is no /proc at all.
long CheckProc(const TargetRoot& root, const char* path);

}  // namespace linx

#endif  // LINX_MOUNT_TARGET_H_
