// The file system that a workload sees, as its child makes it. No heap, no errno.
//
// Everything is opened or made detached, by its fd, and put in place by its fd. What a request
// calls a source is looked up in the file system that the child was born with, what it calls a
// target in the new root alone (mount_target.h), so that no link in the root leads out of it.
#ifndef LINX_MOUNT_STEPS_H_
#define LINX_MOUNT_STEPS_H_

#include <cstddef>
#include <cstdint>

#include "protocol.h"

namespace linx {

enum class MountKind : uint8_t {
  bind,
  tmpfs,
  overlay,
  proc,
  sysfs,
  mqueue,
  dev,
  mask,
  read_only,
  file,
  dir,
};

// One of a file system's own options.
struct MountOption {
  const char* name;
  const char* value;
};

struct ChildMount {
  MountKind kind = MountKind::bind;
  bool recursive = true;
  bool idmap = false;  // the agent has made it: it is `tree` from the start
  uint32_t mode = 0;
  uint64_t attributes = 0;
  const char* source = nullptr;
  const char* target = nullptr;
  const MountOption* options = nullptr;
  size_t option_count = 0;
  const char* content = nullptr;
  size_t content_size = 0;
  int tree = -1;          // what is to be mounted, from when it is made to when it is in place
  uint64_t mount_id = 0;  // once it is in place
};

struct ChildMounts {
  ChildMount* root = nullptr;  // null: everything stays as it is
  ChildMount* mounts = nullptr;
  size_t count = 0;
  bool host_root = false;       // the root is the host's: nothing is made in it
  bool user_namespace = false;  // a fresh one, whose id 0 owns what is made
};

// Where the making of mounts failed: at which stage, and at which element of the list. Where an
// element is made of parts, the part is in the upper half.
struct MountFailure {
  Stage stage = Stage::propagation;
  int32_t element = 0;
};
constexpr int kMountPartShift = 16;
constexpr size_t kMaxMounts = 1024;

// Where the agent's order puts a mount that it has made: 0 is the root, the others count from 1.
// Negative where there is no such element.
long TakeTree(const ChildMounts& mounts, uint64_t element, int tree);

// The child's step. 0, or a negative errno with `*failed` set. Afterwards the working directory is
// the new root.
long MakeMounts(const ChildMounts& mounts, MountFailure* failed);

}  // namespace linx

#endif  // LINX_MOUNT_STEPS_H_
