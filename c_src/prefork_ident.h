// Which server a run belongs to.
#ifndef LINX_PREFORK_IDENT_H_
#define LINX_PREFORK_IDENT_H_

#include <string>

#include "prefork_options.h"

namespace linx {

// What -g says; else 64 hexadecimal digits that two runs have in common if, and only if, they agree
// in all of: host name, current and root directory, interpreter, script, and every -E and -G in
// their order. Does not come back where a directory cannot be looked at.
std::string PreforkIdent(const PreforkOptions& options);

}  // namespace linx

#endif  // LINX_PREFORK_IDENT_H_
