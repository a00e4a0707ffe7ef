// Paths that lead downwards only.
#ifndef LINX_PATH_NAMES_H_
#define LINX_PATH_NAMES_H_

#include <string_view>

namespace linx {

// Whether every part between the slashes is a name: none is empty, `.` or `..`.
inline bool IsPathOfNames(std::string_view path) {
  for (;;) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace linx

#endif  // LINX_PATH_NAMES_H_
