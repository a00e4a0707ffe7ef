#include "cgroup_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "unique_fd.h"

namespace linx {
namespace {

std::string ReadWhole(const char* path) {
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  std::string all;
  char chunk[4096];
  ssize_t n;
  while (fd && (n = read(fd.get(), chunk, sizeof(chunk))) > 0) {
    all.append(chunk, static_cast<size_t>(n));
  }
  return all;
}

std::string_view TakeLine(std::string_view* text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(line.size() < text->size() ? line.size() + 1 : line.size());
  return line;
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::string_view field = line.substr(0, line.find(' '));
    fields.push_back(field);
    line.remove_prefix(field.size() < line.size() ? field.size() + 1 : field.size());
  }
  return fields;
}

// Space, tab, newline and backslash stand in mountinfo as \ and three octal digits.
std::string Unescape(std::string_view field) {
  std::string out;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\' || i + 3 >= field.size()) {
      out += field[i];
      continue;
    }
    const int code = (field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0');
    out += static_cast<char>(code);
    i += 3;
  }
  return out;
}

}  // namespace

std::optional<CgroupMount> FindCgroup2(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    const std::vector<std::string_view> fields = Fields(TakeLine(&mountinfo));
    // Optional fields, from the seventh on, end with a dash; the file system's type follows.
    for (size_t i = 6; i + 1 < fields.size(); ++i) {
      if (fields[i] != "-") continue;
      if (fields[i + 1] == "cgroup2") return CgroupMount{Unescape(fields[3]), Unescape(fields[4])};
      break;
    }
  }
  return {};
}

std::optional<std::string> OwnCgroup(std::string_view proc_cgroup, const CgroupMount& mount) {
  while (!proc_cgroup.empty()) {
    std::string_view line = TakeLine(&proc_cgroup);
    // Version 2 is hierarchy 0, without a list of controllers.
    if (line.substr(0, 3) != "0::") continue;
    line.remove_prefix(3);
    const std::string_view root = mount.root == "/" ? std::string_view() : mount.root;
    if (line.substr(0, root.size()) != root || line.substr(0, 3) == "/..") return {};
    line.remove_prefix(root.size());
    if (!line.empty() && line.front() != '/') return {};
    return mount.point + std::string(line == "/" ? std::string_view() : line);
  }
  return {};
}

Result<CgroupTree> ReadCgroupTree() {
  std::optional<CgroupMount> mount = FindCgroup2(ReadWhole("/proc/self/mountinfo"));
  if (!mount) return Error::Of(Stage::cgroup_open, ENODEV, "cgroup v2 is not mounted");
  CgroupTree tree;
  tree.own = OwnCgroup(ReadWhole("/proc/self/cgroup"), *mount);
  tree.mount = *std::move(mount);
  return tree;
}

Result<std::string> LeafParent(const CgroupTree& tree, const std::string& parent) {
  if (!parent.empty()) return tree.mount.point + "/" + parent;
  if (tree.own) return *tree.own;
  return Error::Of(Stage::cgroup_open, ENOENT, "the agent's own cgroup is not mounted");
}

}  // namespace linx
