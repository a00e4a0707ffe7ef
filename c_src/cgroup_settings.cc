#include "cgroup_settings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "unique_fd.h"

namespace linx {
namespace {

constexpr std::string_view kSubtree = "cgroup.subtree_control";
constexpr std::string_view kAvailable = "cgroup.controllers";

std::string Read(int directory, std::string_view file) {
  const UniqueFd in(openat(directory, file.data(), O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t n = in ? read(in.get(), text, sizeof(text)) : 0;
  std::string all(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!all.empty() && all.back() == '\n') all.pop_back();
  return all;
}

// `path` is that of the directory, for the detail.
Status Write(int directory, const std::string& path, std::string_view file,
             const std::string& value) {
  const UniqueFd out(openat(directory, file.data(), O_WRONLY | O_CLOEXEC));
  if (out && write(out.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) {
    return {};
  }
  return Error::Last(Stage::cgroup_controls, path + "/" + std::string(file) + ": " + value);
}

bool Offers(int directory, std::string_view controller) {
  const std::string all = " " + Read(directory, kAvailable) + " ";
  return all.find(" " + std::string(controller) + " ") != all.npos;
}

std::string PathAbove(const Leaf& leaf) { return leaf.path().substr(0, leaf.path().rfind('/')); }

Status TurnOn(const Leaf& leaf, const std::string& controller) {
  if (controller == "cgroup" || Offers(leaf.fd(), controller)) return {};
  const std::string above = PathAbove(leaf);
  if (!Offers(leaf.parent_fd(), controller)) {
    return Error::Of(Stage::cgroup_controls, ENODEV,
                     above + "/" + std::string(kAvailable) + ": no " + controller);
  }
  return Write(leaf.parent_fd(), above, kSubtree, "+" + controller);
}

Status FillCpuset(const Leaf& cgroup) {
  for (const std::string_view file : {"cpuset.cpus", "cpuset.mems"}) {
    const Status filled = Write(cgroup.fd(), cgroup.path(), file, Read(cgroup.parent_fd(), file));
    if (!filled.ok()) return filled;
  }
  return {};
}

}  // namespace

Status WriteLeafSettings(const Leaf& leaf, const CgroupControls& controls) {
  for (const CgroupControl& control : controls.list) {
    if (control.controller) continue;
    Status done = TurnOn(leaf, std::string(control.prefix()));
    if (done.ok()) done = Write(leaf.fd(), leaf.path(), control.file, control.value);
    if (!done.ok()) return done;
  }
  return {};
}

Status WriteSettings1(const Leaf& cgroup, Controller controller, const CgroupControls& controls) {
  if (controller == Controller::cpuset) {
    const Status filled = FillCpuset(cgroup);
    if (!filled.ok()) return filled;
  }
  for (const CgroupControl& control : controls.list) {
    if (control.controller != controller) continue;
    const Status done = Write(cgroup.fd(), cgroup.path(), control.file, control.value);
    if (!done.ok()) return done;
  }
  return {};
}

}  // namespace linx
