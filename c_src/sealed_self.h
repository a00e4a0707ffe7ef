// The agent runs from a sealed copy of its program in memory. What it starts or enters can reach
// the copy through /proc/PID/exe and cannot write it; the file it was started from is not reachable
// so.
#ifndef LINX_SEALED_SELF_H_
#define LINX_SEALED_SELF_H_

namespace linx {

// Whether this process runs from such a copy.
bool RunsSealed();

// Executes a sealed copy of this program with the same arguments. Returns only where that cannot be
// done (no memfd_create, no memory, a file system of no exec): errno says why.
void ExecSealed(char* const* argv);

}  // namespace linx

#endif  // LINX_SEALED_SELF_H_
