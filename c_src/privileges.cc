#include "privileges.h"

namespace linx {

bool ReadCapabilities(TermReader&, Privileges*) { return false; }
bool ReadSecurebits(TermReader&, Privileges*) { return false; }
bool ReadSeccomp(TermReader&, Privileges*) { return false; }

}  // namespace linx
