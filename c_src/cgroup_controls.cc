#include "cgroup_controls.h"

#include <algorithm>

#include "stdio_request.h"

namespace linx {
namespace {

// The core's own files in a leaf that limit something; the others are for the agent to use.
constexpr std::string_view kCore = "cgroup";
constexpr std::string_view kCoreLimits = "cgroup.max.";

bool IsFile(const CgroupControl& control) {
  const std::string& file = control.file;
  if (file.find('/') != file.npos || file.find('.') == file.npos) return false;
  const std::string_view prefix = control.prefix();
  // Which leaves out names with a dot first, and so `..`.
  if (prefix.empty()) return false;
  if (control.controller) return prefix == Name(*control.controller);
  return prefix != kCore || file.compare(0, kCoreLimits.size(), kCoreLimits) == 0;
}

bool ReadControl(TermReader& element, CgroupControl* out) {
  size_t arity;
  if (!element.ReadTuple(&arity) || arity < 2 || arity > 3) return false;
  if (arity == 3 && !element.ReadName(&out->controller.emplace())) return false;
  return ReadString(element, &out->file) && ReadString(element, &out->value) &&
         !out->value.empty() && IsFile(*out);
}

}  // namespace

bool CgroupControls::leaf() const {
  return std::any_of(list.begin(), list.end(),
                     [](const CgroupControl& control) { return !control.controller; });
}

bool CgroupControls::version1() const {
  return std::any_of(list.begin(), list.end(),
                     [](const CgroupControl& control) { return control.controller.has_value(); });
}

bool ReadCgroupControls(TermReader& reader, CgroupControls* out) {
  return reader.ReadList(
      [out](TermReader& element) { return ReadControl(element, &out->list.emplace_back()); });
}

}  // namespace linx
