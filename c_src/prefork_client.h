// One run as a whole process sees it: it waits, and ends as the script did.
#ifndef LINX_PREFORK_CLIENT_H_
#define LINX_PREFORK_CLIENT_H_

#include <string>

#include "prefork_call.h"

namespace linx {

// Waits for the greeting; false where another than that came.
bool AwaitGreeting(PreforkCall& call);

// Hands over the caller's own stdin, stdout and stderr, and waits for the end.
void PerformRun(PreforkCall& call, std::string settings);

// Exits as a process did whose status this is: with its code, or of the same signal where that is
// one of those by which people and pipes end programs; kPreforkFailed and a line otherwise, in
// which `what` names the process.
[[noreturn]] void EndAs(int wait_status, const std::string& what);

}  // namespace linx

#endif  // LINX_PREFORK_CLIENT_H_
