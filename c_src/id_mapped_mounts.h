// Binds whose files belong to the ids inside of a user namespace. The child could not make them: it
// takes CAP_SYS_ADMIN where the file system was mounted (mount_setattr(2), Linux 5.12).
#ifndef LINX_ID_MAPPED_MOUNTS_H_
#define LINX_ID_MAPPED_MOUNTS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mounts.h"
#include "result.h"
#include "unique_fd.h"

namespace linx {

struct IdMappedMount {
  std::string order;  // for the parked child, which gets `tree` with it
  UniqueFd tree;
};

// Makes those that are wanted, detached, by the maps of the user namespace that the process is in;
// `pidfd` is the process's, alive. Errors: mount and root, with the detail; uid_map where the
// process is gone.
Result<std::vector<IdMappedMount>> MakeIdMapped(const Mounts& mounts, int proc_fd, pid_t pid,
                                                int pidfd);

}  // namespace linx

#endif  // LINX_ID_MAPPED_MOUNTS_H_
