// Starting a script that becomes a server.
#ifndef LINX_PREFORK_START_H_
#define LINX_PREFORK_START_H_

#include <string>

#include "prefork_call.h"
#include "prefork_options.h"
#include "prefork_rundir.h"

namespace linx {

// Starts a server in the place of any other with this ident, for which the caller has the lock.
// Answers the first run's call, greeted. Where the script does not get that far, nothing is left of
// it in the run directory, and the caller ends as the script did.
PreforkCall StartPrefork(const PreforkRundir& rundir, const std::string& ident,
                         const PreforkOptions& options);

}  // namespace linx

#endif  // LINX_PREFORK_START_H_
