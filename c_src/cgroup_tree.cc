#include "cgroup_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "unique_fd.h"

namespace linx {
namespace {

std::string_view TakeLine(std::string_view* text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(line.size() < text->size() ? line.size() + 1 : line.size());
  return line;
}

std::vector<std::string_view> Split(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::string_view field = line.substr(0, line.find(separator));
    fields.push_back(field);
    line.remove_prefix(field.size() < line.size() ? field.size() + 1 : field.size());
  }
  return fields;
}

bool Lists(std::string_view names, std::string_view name) {
  const std::vector<std::string_view> all = Split(names, ',');
  return std::find(all.begin(), all.end(), name) != all.end();
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

// `wanted(type, options)` says which: the file system's type, and the options of all its mounts.
template <typename Wanted>
std::optional<CgroupMount> FindMount(std::string_view mountinfo, Wanted wanted) {
  while (!mountinfo.empty()) {
    const std::vector<std::string_view> fields = Split(TakeLine(&mountinfo), ' ');
    // Optional fields, from the seventh on, end with a dash; the file system's type follows.
    for (size_t i = 6; i + 1 < fields.size(); ++i) {
      if (fields[i] != "-") continue;
      const std::string_view options = i + 3 < fields.size() ? fields[i + 3] : std::string_view();
      if (wanted(fields[i + 1], options)) {
        return CgroupMount{Unescape(fields[3]), Unescape(fields[4])};
      }
      break;
    }
  }
  return {};
}

}  // namespace

std::optional<CgroupMount> FindCgroup2(std::string_view mountinfo) {
  return FindMount(mountinfo,
                   [](std::string_view type, std::string_view) { return type == "cgroup2"; });
}

std::optional<CgroupMount> FindCgroup1(std::string_view mountinfo, std::string_view controller) {
  return FindMount(mountinfo, [controller](std::string_view type, std::string_view options) {
    return type == "cgroup" && Lists(options, controller);
  });
}

bool CgroupPlace::Has(std::string_view controller) const { return Lists(controllers, controller); }

std::vector<CgroupPlace> PlacesOf(std::string_view proc_cgroup) {
  std::vector<CgroupPlace> places;
  while (!proc_cgroup.empty()) {
    // "hierarchy-id:controllers:/path", where version 2 has no controllers.
    const std::string_view line = TakeLine(&proc_cgroup);
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    places.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return places;
}

std::optional<std::string> DirectoryOf(const CgroupMount& mount, std::string_view path) {
  const std::string_view root = mount.root == "/" ? std::string_view() : mount.root;
  if (path.substr(0, root.size()) != root || path.substr(0, 3) == "/..") return {};
  path.remove_prefix(root.size());
  if (!path.empty() && path.front() != '/') return {};
  return mount.point + std::string(path == "/" ? std::string_view() : path);
}

std::optional<std::string> OwnCgroup(std::string_view proc_cgroup, const CgroupMount& mount,
                                     std::string_view controller) {
  for (const CgroupPlace& place : PlacesOf(proc_cgroup)) {
    const bool wanted = controller.empty() ? place.controllers.empty() : place.Has(controller);
    if (wanted) return DirectoryOf(mount, place.path);
  }
  return {};
}

std::string ReadProcFile(int at, const char* path) {
  const UniqueFd fd(openat(at, path, O_RDONLY | O_CLOEXEC));
  std::string all;
  char chunk[4096];
  ssize_t n;
  while (fd && (n = read(fd.get(), chunk, sizeof(chunk))) > 0) {
    all.append(chunk, static_cast<size_t>(n));
  }
  return all;
}

Result<CgroupTree> ReadCgroupTree() {
  std::optional<CgroupMount> mount = FindCgroup2(ReadProcFile(AT_FDCWD, "/proc/self/mountinfo"));
  if (!mount) return Error::Of(Stage::cgroup_open, ENODEV, "cgroup v2 is not mounted");
  CgroupTree tree;
  tree.own = OwnCgroup(ReadProcFile(AT_FDCWD, "/proc/self/cgroup"), *mount);
  tree.mount = *std::move(mount);
  return tree;
}

Result<std::string> LeafParent(const CgroupTree& tree, const std::string& parent) {
  if (!parent.empty()) return tree.mount.point + "/" + parent;
  if (tree.own) return *tree.own;
  return Error::Of(Stage::cgroup_open, ENOENT, "the agent's own cgroup is not mounted");
}

Result<std::string> OwnCgroup1(Controller controller) {
  const std::string name(Name(controller));
  const auto mount = FindCgroup1(ReadProcFile(AT_FDCWD, "/proc/self/mountinfo"), name);
  if (!mount) {
    return Error::Of(Stage::cgroup_controls, ENODEV, name + " of cgroup v1 is not mounted");
  }
  std::optional<std::string> own =
      OwnCgroup(ReadProcFile(AT_FDCWD, "/proc/self/cgroup"), *mount, name);
  if (own) return *std::move(own);
  return Error::Of(Stage::cgroup_controls, ENOENT,
                   "the agent's own cgroup of " + name + " is not mounted");
}

}  // namespace linx
