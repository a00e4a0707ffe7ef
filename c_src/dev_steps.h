// A /dev of a workload's own: the few devices that every program may have, and terminals, shared
// memory and the links to open files. No heap, no errno.
#ifndef LINX_DEV_STEPS_H_
#define LINX_DEV_STEPS_H_

#include <cstdint>

#include "mount_calls.h"

namespace linx {

// A detached mount of the host's null device.
raw::Fd CloneNullDevice();

// Fills an empty tmpfs that is in its place. Where that fails, `*part` is what failed, from 1 on.
long FillDev(int dev, int32_t* part);

// The name in /dev of such a part.
const char* NameOfDevPart(int32_t part);

}  // namespace linx

#endif  // LINX_DEV_STEPS_H_
