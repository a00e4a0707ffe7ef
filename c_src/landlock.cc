#include "landlock.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "raw_syscall.h"

namespace linx {
namespace {

// As in linux/landlock.h, which may be older than the running kernel. What an older kernel does not
// know at the end of the attributes it takes as long as it is 0.
struct RulesetAttr {
  uint64_t handled_fs, handled_net, scopes;
};
struct __attribute__((packed)) PathAttr {
  uint64_t rights;
  int32_t fd;
};
struct PortAttr {
  uint64_t rights, port;
};
constexpr int kRulePath = 1, kRulePort = 2;

constexpr uint64_t Bit(FsRight right) { return uint64_t{1} << static_cast<unsigned>(right); }

// All others mean what is in a directory.
constexpr uint64_t kFileRights = Bit(FsRight::execute) | Bit(FsRight::write_file) |
                                 Bit(FsRight::read_file) | Bit(FsRight::truncate) |
                                 Bit(FsRight::ioctl_dev);

long AllowOpened(int ruleset, int fd, uint64_t rights) {
  struct statx file = {};
  const long rc = raw::Call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &file);
  if (rc < 0) return rc;
  if (!S_ISDIR(file.stx_mode)) rights &= kFileRights;
  // A rule that allows nothing is refused.
  if (rights == 0) return 0;
  const PathAttr rule = {rights, fd};
  return raw::Call(SYS_landlock_add_rule, ruleset, kRulePath, &rule, 0);
}

long AllowPath(int ruleset, const ChildLandlock::Path& path) {
  const long fd = raw::Call(SYS_openat, AT_FDCWD, path.path, O_PATH | O_CLOEXEC);
  if (fd < 0) return fd;
  const long rc = AllowOpened(ruleset, static_cast<int>(fd), path.rights);
  raw::Call(SYS_close, fd);
  return rc;
}

long AllowPort(int ruleset, const LandlockPort& port) {
  if (port.rights == 0) return 0;
  const PortAttr rule = {port.rights, port.port};
  return raw::Call(SYS_landlock_add_rule, ruleset, kRulePort, &rule, 0);
}

// `*element` goes up by one with each rule.
long AddRules(int ruleset, const ChildLandlock::Layer& layer, int32_t* element) {
  for (size_t i = 0; i < layer.path_count; ++i, ++*element) {
    const long rc = AllowPath(ruleset, layer.paths[i]);
    if (rc < 0) return rc;
  }
  for (size_t i = 0; i < layer.port_count; ++i, ++*element) {
    const long rc = AllowPort(ruleset, layer.ports[i]);
    if (rc < 0) return rc;
  }
  return 0;
}

size_t CountOf(const Landlock& layer) { return layer.paths.size() + layer.ports.size(); }

ChildLandlock::Layer Copy(const Landlock& landlock, Region* region) {
  ChildLandlock::Layer copy;
  copy.wanted = landlock.wanted();
  copy.handled_fs = landlock.handled_fs;
  copy.handled_net = landlock.handled_net;
  copy.scopes = landlock.scopes;
  auto* paths = region->TakeArray<ChildLandlock::Path>(landlock.paths.size());
  copy.paths = paths;
  copy.path_count = landlock.paths.size();
  copy.ports = region->Copy(landlock.ports);
  copy.port_count = landlock.ports.size();
  for (const LandlockPath& rule : landlock.paths) {
    *paths++ = {region->Copy(rule.path), rule.rights};
  }
  return copy;
}

// `*element` is a rule that was not taken, of those after it; -1 where it was none of them.
long RestrictOnce(const ChildLandlock::Layer& layer, int32_t* element) {
  const int32_t before = *element;
  *element = -1;
  const RulesetAttr attr = {layer.handled_fs, layer.handled_net, layer.scopes};
  const long ruleset = raw::Call(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
  if (ruleset < 0) return ruleset;
  *element = before;
  long rc = AddRules(static_cast<int>(ruleset), layer, element);
  if (rc >= 0) {
    *element = -1;
    rc = raw::Call(SYS_landlock_restrict_self, ruleset, 0);
  }
  raw::Call(SYS_close, ruleset);
  return rc;
}

}  // namespace

std::string DetailOf(const LandlockLayers& layers, int32_t element) {
  if (element < 0) return {};
  auto index = static_cast<size_t>(element);
  for (const Landlock& layer : layers) {
    if (index < layer.paths.size()) return layer.paths[index].path;
    if (index < CountOf(layer)) {
      return "port " + std::to_string(layer.ports[index - layer.paths.size()].port);
    }
    index -= CountOf(layer);
  }
  return {};
}

size_t SizeOf(const LandlockLayers& layers) {
  size_t size = alignof(ChildLandlock::Layer) + layers.size() * sizeof(ChildLandlock::Layer);
  for (const Landlock& layer : layers) {
    size += 2 * alignof(ChildLandlock::Path);
    size += layer.paths.size() * sizeof(ChildLandlock::Path);
    size += layer.ports.size() * sizeof(LandlockPort);
    for (const LandlockPath& rule : layer.paths) size += rule.path.size() + 1;
  }
  return size;
}

ChildLandlock Copy(const LandlockLayers& layers, Region* region) {
  ChildLandlock copy;
  auto* to = region->TakeArray<ChildLandlock::Layer>(layers.size());
  copy.layers = to;
  copy.layer_count = layers.size();
  for (const Landlock& layer : layers) {
    copy.wanted = copy.wanted || layer.wanted();
    *to++ = Copy(layer, region);
  }
  return copy;
}

long Restrict(const ChildLandlock& landlock, int32_t* element) {
  int32_t first = 0;
  for (size_t i = 0; i < landlock.layer_count; ++i) {
    const ChildLandlock::Layer& layer = landlock.layers[i];
    *element = first;
    const long rc = layer.wanted ? RestrictOnce(layer, element) : 0;
    if (rc < 0) return rc;
    first += static_cast<int32_t>(layer.path_count + layer.port_count);
  }
  return 0;
}

}  // namespace linx
