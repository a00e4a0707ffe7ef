// What a session's cgroups limit: files of its leaf in version 2, and of a cgroup of its own in
// each hierarchy of version 1 that is named.
#ifndef LINX_CGROUP_CONTROLS_H_
#define LINX_CGROUP_CONTROLS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol.h"
#include "term_reader.h"

namespace linx {

// A file and what is written to it. `file` is one name, which begins with its controller's.
struct CgroupControl {
  std::optional<Controller> controller;  // of version 1; none: a file of the leaf
  std::string file, value;

  std::string_view prefix() const { return std::string_view(file).substr(0, file.find('.')); }
};

struct CgroupControls {
  std::vector<CgroupControl> list;  // in the order in which they are written

  bool wanted() const { return !list.empty(); }
  // Whether some are for the leaf; whether some are for cgroups of version 1.
  bool leaf() const;
  bool version1() const;
};

// Reads the value of the key `cgroup_controls`, and answers false where it is of another shape.
bool ReadCgroupControls(TermReader& reader, CgroupControls* out);

constexpr char kExpectedCgroupControls[] =
    "a list of {file, value} or {memory pids cpu cpuset freezer devices, file, value} with a file "
    "such as memory.max, which names its controller and has no /, and a value that is not empty";

}  // namespace linx

#endif  // LINX_CGROUP_CONTROLS_H_
