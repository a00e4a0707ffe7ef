// A process of the agent's own, until it is reaped.
#ifndef LINX_OFFSPRING_H_
#define LINX_OFFSPRING_H_

#include <sys/types.h>

#include "unique_fd.h"

namespace linx {

struct Offspring {
  UniqueFd pidfd;
  pid_t pid = 0;
};

}  // namespace linx

#endif  // LINX_OFFSPRING_H_
