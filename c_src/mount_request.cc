#include <linux/mount.h>

#include <climits>
#include <cstdio>

#include "mounts.h"
#include "path_names.h"
#include "stdio_request.h"

namespace linx {
namespace {

constexpr size_t kMaxContent = 1u << 20;
constexpr uint64_t kMaxMode = 07777;
constexpr size_t kMaxLayers = 64;

// Words that are keys of a mount's map, as bits.
constexpr uint64_t Bit(Value word) {
  return uint64_t{1} << (static_cast<unsigned>(word) - static_cast<unsigned>(Value::kind_));
}
template <typename... Words>
constexpr uint64_t Bits(Words... words) {
  return (uint64_t{0} | ... | Bit(words));
}
static_assert(static_cast<unsigned>(Value::content_) - static_cast<unsigned>(Value::kind_) < 64,
              "kind is the first of the keys and content the last");

constexpr uint64_t kFlags = Bits(Value::read_only_, Value::nosuid_, Value::nodev_, Value::noexec_);
constexpr uint64_t kTarget = Bits(Value::kind_, Value::target_);
constexpr uint64_t kTmpfs = Bits(Value::size_, Value::mode_, Value::nr_inodes_);

// What a map must and may hold.
struct Shape {
  Value word;
  MountKind kind;
  uint64_t required, optional;
};

constexpr Shape kRoots[] = {
    {Value::host_, MountKind::bind, Bits(Value::kind_), kFlags},
    {Value::dir_, MountKind::bind, Bits(Value::kind_, Value::source_), kFlags | Bit(Value::idmap_)},
    {Value::tmpfs_, MountKind::tmpfs, Bits(Value::kind_), kFlags | kTmpfs},
};

constexpr Shape kMounts[] = {
    {Value::bind_, MountKind::bind, kTarget | Bit(Value::source_),
     kFlags | Bits(Value::recursive_, Value::idmap_)},
    {Value::tmpfs_, MountKind::tmpfs, kTarget, kFlags | kTmpfs},
    {Value::overlay_, MountKind::overlay, kTarget | Bit(Value::lower_),
     kFlags | Bits(Value::upper_, Value::work_)},
    {Value::proc_, MountKind::proc, kTarget, kFlags | Bits(Value::subset_, Value::hidepid_)},
    {Value::sysfs_, MountKind::sysfs, kTarget, kFlags},
    {Value::mqueue_, MountKind::mqueue, kTarget, kFlags},
    {Value::dev_, MountKind::dev, kTarget, 0},
    {Value::mask_, MountKind::mask, kTarget, 0},
    {Value::read_only_, MountKind::read_only, kTarget, 0},
    {Value::file_, MountKind::file, kTarget | Bit(Value::content_), Bit(Value::mode_)},
    {Value::dir_, MountKind::dir, kTarget, Bit(Value::mode_)},
};

// A map as it was read, whatever its kind.
struct Fields {
  Value kind = Value::bind_;
  uint64_t given = 0;
  Mount mount;
  uint64_t size = 0, mode = 0, nr_inodes = 0, hidepid = 0;
  std::vector<std::string> lower;
  std::string upper, work;

  bool has(Value word) const { return (given & Bit(word)) != 0; }
};

bool ReadAbsolute(TermReader& reader, std::string* out) {
  return ReadString(reader, out) && out->size() < PATH_MAX && !out->empty() && out->front() == '/';
}

bool ReadTarget(TermReader& reader, std::string* out) {
  if (!ReadAbsolute(reader, out) || !IsPathOfNames(out->substr(1))) return false;
  out->erase(0, 1);
  return true;
}

bool ReadFlag(TermReader& reader, uint64_t attribute, Mount* mount) {
  bool set;
  if (!reader.ReadBool(&set)) return false;
  if (set) mount->attributes |= attribute;
  return true;
}

bool ReadLower(TermReader& reader, std::vector<std::string>* out) {
  return reader.ReadList([out](TermReader& element) {
    return out->size() < kMaxLayers && ReadAbsolute(element, &out->emplace_back());
  });
}

bool ReadContent(TermReader& reader, std::string* out) {
  std::string_view bytes;
  if (!reader.ReadBinary(&bytes) || bytes.size() > kMaxContent) return false;
  out->assign(bytes);
  return true;
}

bool ReadSubset(TermReader& reader) {
  Value word;
  return reader.ReadName(&word) && word == Value::pid_;
}

// To a tmpfs 0 means that there is no limit.
bool ReadField(TermReader& reader, Value word, Fields* out) {
  switch (word) {
    case Value::kind_:
      return reader.ReadName(&out->kind);
    case Value::source_:
      return ReadAbsolute(reader, &out->mount.source);
    case Value::target_:
      return ReadTarget(reader, &out->mount.target);
    case Value::read_only_:
      return ReadFlag(reader, MOUNT_ATTR_RDONLY, &out->mount);
    case Value::nosuid_:
      return ReadFlag(reader, MOUNT_ATTR_NOSUID, &out->mount);
    case Value::nodev_:
      return ReadFlag(reader, MOUNT_ATTR_NODEV, &out->mount);
    case Value::noexec_:
      return ReadFlag(reader, MOUNT_ATTR_NOEXEC, &out->mount);
    case Value::recursive_:
      return reader.ReadBool(&out->mount.recursive);
    case Value::idmap_:
      return reader.ReadBool(&out->mount.idmap);
    case Value::size_:
      return reader.ReadUint(INT64_MAX, &out->size) && out->size > 0;
    case Value::mode_:
      return reader.ReadUint(kMaxMode, &out->mode);
    case Value::nr_inodes_:
      return reader.ReadUint(INT64_MAX, &out->nr_inodes) && out->nr_inodes > 0;
    case Value::lower_:
      return ReadLower(reader, &out->lower) && !out->lower.empty();
    case Value::upper_:
      return ReadAbsolute(reader, &out->upper);
    case Value::work_:
      return ReadAbsolute(reader, &out->work);
    case Value::subset_:
      return ReadSubset(reader);
    case Value::hidepid_:
      return reader.ReadUint(4, &out->hidepid) && out->hidepid != 3;
    case Value::content_:
      return ReadContent(reader, &out->mount.content);
    default:
      return false;
  }
}

bool ReadFields(TermReader& reader, Fields* out) {
  size_t pairs;
  if (!reader.ReadMap(&pairs)) return false;
  for (size_t i = 0; i < pairs; ++i) {
    Value word;
    // A word that is not understood might have been meant to confine.
    if (!reader.ReadName(&word) || word < Value::kind_ || word > Value::content_) return false;
    if (out->has(word) || !ReadField(reader, word, out)) return false;
    out->given |= Bit(word);
  }
  return true;
}

std::string Octal(uint64_t mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "%llo", static_cast<unsigned long long>(mode));
  return text;
}

// As overlay's `lowerdir` has them: what separates layers is escaped in their names.
std::string Joined(const std::vector<std::string>& layers) {
  std::string joined;
  for (const std::string& layer : layers) {
    if (!joined.empty()) joined += ':';
    for (const char c : layer) {
      if (c == ':' || c == '\\') joined += '\\';
      joined += c;
    }
  }
  return joined;
}

void AddOptions(const Fields& fields, Mount* mount) {
  auto& options = mount->options;
  if (fields.has(Value::size_)) options.emplace_back("size", std::to_string(fields.size));
  if (fields.has(Value::nr_inodes_)) {
    options.emplace_back("nr_inodes", std::to_string(fields.nr_inodes));
  }
  if (mount->kind == MountKind::tmpfs) {
    options.emplace_back("mode", fields.has(Value::mode_) ? Octal(fields.mode) : "755");
  }
  if (mount->kind == MountKind::dev) options = {{"mode", "755"}, {"size", "65536"}};
  for (const std::string& layer : fields.lower) options.emplace_back("lowerdir+", layer);
  if (fields.has(Value::upper_)) options.emplace_back("upperdir", fields.upper);
  if (fields.has(Value::work_)) options.emplace_back("workdir", fields.work);
  if (fields.has(Value::subset_)) options.emplace_back("subset", "pid");
  if (fields.has(Value::hidepid_)) options.emplace_back("hidepid", std::to_string(fields.hidepid));
}

// What no caller is asked about.
uint64_t AttributesOf(MountKind kind) {
  switch (kind) {
    case MountKind::dev:
      return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    case MountKind::file:
      return MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    default:
      return 0;
  }
}

bool Finish(const Shape& shape, Fields& fields, Mount* out) {
  if ((fields.given & shape.required) != shape.required) return false;
  if ((fields.given & ~(shape.required | shape.optional)) != 0) return false;
  // An upper layer takes a directory to work in, and without one there is nothing to merge in one.
  if (fields.has(Value::upper_) != fields.has(Value::work_)) return false;
  if (shape.kind == MountKind::overlay && !fields.has(Value::upper_) && fields.lower.size() < 2) {
    return false;
  }
  Mount& mount = fields.mount;
  mount.kind = shape.kind;
  mount.attributes |= AttributesOf(shape.kind);
  mount.mode = fields.has(Value::mode_)        ? static_cast<uint32_t>(fields.mode)
               : shape.kind == MountKind::file ? 0644
                                               : 0755;
  if (shape.word == Value::host_) mount.source = "/";
  if (shape.kind == MountKind::overlay) mount.source = Joined(fields.lower);
  AddOptions(fields, &mount);
  *out = std::move(mount);
  return true;
}

template <size_t kCount>
bool ReadOneOf(TermReader& reader, const Shape (&shapes)[kCount], Mount* out) {
  Fields fields;
  if (!ReadFields(reader, &fields)) return false;
  for (const Shape& shape : shapes) {
    if (shape.word == fields.kind) return Finish(shape, fields, out);
  }
  return false;
}

}  // namespace

bool ReadRoot(TermReader& reader, Mounts* out) {
  return ReadOneOf(reader, kRoots, &out->root.emplace());
}

bool ReadMounts(TermReader& reader, Mounts* out) {
  return reader.ReadList([out](TermReader& element) {
    return out->mounts.size() < kMaxMounts &&
           ReadOneOf(element, kMounts, &out->mounts.emplace_back());
  });
}

}  // namespace linx
