// The file system that a workload sees, as a request has it: a root and what is mounted in it.
#ifndef LINX_MOUNTS_H_
#define LINX_MOUNTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launch_memory.h"
#include "mount_steps.h"
#include "protocol.h"
#include "term_reader.h"

namespace linx {

struct Mount {
  MountKind kind = MountKind::bind;
  std::string source;  // the host's path; of an overlay its lower layers, joined
  std::string target;  // names below the root, without a slash at either end
  std::vector<std::pair<std::string, std::string>> options;  // the file system's own
  std::string content;                                       // of a file
  uint64_t attributes = 0;                                   // MOUNT_ATTR_*
  uint32_t mode = 0;                                         // of a file or directory
  bool recursive = true;
  bool idmap = false;  // the owners of its files are those inside of the user namespace
};

struct Mounts {
  // A bind of the host's root or of a directory, or a tmpfs. None, but mounts: the host's root.
  std::optional<Mount> root;
  std::vector<Mount> mounts;

  bool wanted() const { return root.has_value() || !mounts.empty(); }
  bool id_mapped() const;
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadRoot(TermReader& reader, Mounts* out);
bool ReadMounts(TermReader& reader, Mounts* out);

constexpr char kExpectedRoot[] =
    "a map: kind host, dir with an absolute source, or tmpfs; flags are booleans";
constexpr char kExpectedMounts[] =
    "a list of at most 1024 maps, each with a kind, an absolute target without . and .., and what "
    "belongs to that kind";

// What a failure at `element` was about; empty where nothing is to be said.
std::string DetailOf(const Mounts& mounts, Stage stage, int32_t element);

// How many bytes Copy takes from a region at most.
size_t SizeOf(const Mounts& mounts);
ChildMounts Copy(const Mounts& mounts, bool user_namespace, Region* region);

}  // namespace linx

#endif  // LINX_MOUNTS_H_
