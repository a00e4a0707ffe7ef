// The last step of a child that has no program: where another would exec, it waits for a signal to
// end it. No heap and no errno, as in all of the child's half.
//
// It has no capability, no file, no memory of the agent's but its code, cannot be looked into, and
// may make no system call but to wait and to exit. Signals are blocked until it waits, all at once:
// so what ended it, but for SIGKILL, found it waiting. And while it lives its channel ends when it
// is confined: closing it is the last thing that it does.
#ifndef LINX_WAITING_H_
#define LINX_WAITING_H_

#include <cstddef>

namespace linx {

// Bytes of a title, without the NUL.
constexpr size_t kMaxTitle = 255;

// Ahead of a change of ids, which would take the right to. Without it nothing is dropped, and
// no_new_privs has to do.
long DropWholeBoundingSet();

// Never returns. /proc/PID/cmdline is the title, of at most kMaxTitle bytes, and comm its first 15.
// Reports what fails to the channel, with the stage `title` or `wait`.
[[noreturn]] void Wait(const char* title, int channel);

// Whether one that came to its end so, as waitid(2) has it, had got as far as to wait.
bool EndedWaiting(int code, int status);

}  // namespace linx

#endif  // LINX_WAITING_H_
