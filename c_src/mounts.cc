#include "mounts.h"

#include <algorithm>
#include <new>

#include "dev_steps.h"

namespace linx {
namespace {

// In the order of MountKind.
constexpr Value kKindNames[] = {
    Value::bind_, Value::tmpfs_, Value::overlay_,   Value::proc_, Value::sysfs_, Value::mqueue_,
    Value::dev_,  Value::mask_,  Value::read_only_, Value::file_, Value::dir_,
};

size_t SizeOf(const Mount& mount) {
  size_t size = mount.source.size() + mount.target.size() + mount.content.size() + 3;
  for (const auto& [name, value] : mount.options) {
    size += sizeof(MountOption) + name.size() + value.size() + 2;
  }
  return size + alignof(MountOption);
}

ChildMount Copy(const Mount& mount, Region* region) {
  ChildMount copy;
  copy.kind = mount.kind;
  copy.recursive = mount.recursive;
  copy.idmap = mount.idmap;
  copy.mode = mount.mode;
  copy.attributes = mount.attributes;
  copy.source = region->Copy(mount.source);
  copy.target = region->Copy(mount.target);
  copy.content = region->Copy(mount.content);
  copy.content_size = mount.content.size();
  MountOption* options = region->TakeArray<MountOption>(mount.options.size());
  copy.option_count = mount.options.size();
  copy.options = options;
  for (const auto& [name, value] : mount.options) {
    *options++ = {region->Copy(name), region->Copy(value)};
  }
  return copy;
}

// What there is where only mounts are asked for.
Mount HostRoot() {
  Mount root;
  root.source = "/";
  return root;
}

std::string Describe(const Mount& mount, int32_t part) {
  std::string text(Name(kKindNames[static_cast<size_t>(mount.kind)]));
  text.append(" /").append(mount.target);
  if (part > 0) text.append("/").append(NameOfDevPart(part));
  if (!mount.source.empty()) text.append(" <- ").append(mount.source);
  return text;
}

}  // namespace

bool Mounts::id_mapped() const {
  return (root && root->idmap) ||
         std::any_of(mounts.begin(), mounts.end(), [](const Mount& mount) { return mount.idmap; });
}

std::string DetailOf(const Mounts& mounts, Stage stage, int32_t element) {
  if (stage == Stage::mount) {
    const auto index = static_cast<size_t>(element & ((1 << kMountPartShift) - 1));
    if (index >= mounts.mounts.size()) return {};
    return Describe(mounts.mounts[index], element >> kMountPartShift);
  }
  if (stage == Stage::propagation || !mounts.root) return "/";
  return mounts.root->kind == MountKind::tmpfs ? "tmpfs" : mounts.root->source;
}

size_t SizeOf(const Mounts& mounts) {
  if (!mounts.wanted()) return 0;
  size_t size = (mounts.mounts.size() + 1) * sizeof(ChildMount) + 2 * alignof(ChildMount);
  size += SizeOf(mounts.root.value_or(HostRoot()));
  for (const Mount& mount : mounts.mounts) size += SizeOf(mount);
  return size;
}

ChildMounts Copy(const Mounts& mounts, bool user_namespace, Region* region) {
  ChildMounts copy;
  if (!mounts.wanted()) return copy;
  const Mount root = mounts.root.value_or(HostRoot());
  copy.root = new (region->TakeArray<ChildMount>(1)) ChildMount(Copy(root, region));
  copy.mounts = region->TakeArray<ChildMount>(mounts.mounts.size());
  copy.count = mounts.mounts.size();
  for (size_t i = 0; i < copy.count; ++i) {
    new (copy.mounts + i) ChildMount(Copy(mounts.mounts[i], region));
  }
  copy.host_root = root.kind == MountKind::bind && root.source == "/";
  copy.user_namespace = user_namespace;
  return copy;
}

}  // namespace linx
