// The process that tells a server when its socket is no longer the one that clients find.
#ifndef LINX_PREFORK_WATCHER_H_
#define LINX_PREFORK_WATCHER_H_

#include <sys/stat.h>

#include <string>

#include "prefork_rundir.h"
#include "unique_fd.h"

namespace linx {

// What a server holds of its watcher.
struct PreforkWatched {
  UniqueFd alive;     // the watcher ends when nobody holds this any more
  UniqueFd warnings;  // what the watcher says; does not block
};

// Forks the watcher of a socket that was made as `made`: it says so, and ends, once that is not at
// its path any more. The caller has one child more, which it need not wait for.
PreforkWatched StartPreforkWatcher(const PreforkRundir& rundir, const std::string& ident,
                                   const struct stat& made);

}  // namespace linx

#endif  // LINX_PREFORK_WATCHER_H_
