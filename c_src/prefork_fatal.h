// How linx-prefork ends where it can go no further.
#ifndef LINX_PREFORK_FATAL_H_
#define LINX_PREFORK_FATAL_H_

#include <string>

namespace linx {

// What a script did not end with: the command itself failed.
constexpr int kPreforkFailed = 127;
// It was called in a way that it does not understand. prefork-interp's, too.
constexpr int kPreforkUsage = 255;

// Both write one line to stderr and exit with kPreforkFailed.
[[noreturn]] void PreforkFatal(const std::string& text);
// With errno's text behind it.
[[noreturn]] void PreforkFatalErrno(const std::string& text);

}  // namespace linx

#endif  // LINX_PREFORK_FATAL_H_
