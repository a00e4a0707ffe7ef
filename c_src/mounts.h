// The file system that a workload sees, as a request has it and as the child makes it.
#ifndef LINX_MOUNTS_H_
#define LINX_MOUNTS_H_

#include <cstdint>
#include <string>

#include "launch_memory.h"
#include "protocol.h"
#include "term_reader.h"

namespace linx {

struct Mounts {
  bool wanted() const { return false; }
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadRoot(TermReader& reader, Mounts* out);
bool ReadMounts(TermReader& reader, Mounts* out);

constexpr char kExpectedRoot[] = "a map";
constexpr char kExpectedMounts[] = "a list of maps";

// What a failure at `element` of the list was about; empty where nothing is to be said.
std::string DetailOf(const Mounts& mounts, Stage stage, int32_t element);

// The same for the child, outside the heap.
struct ChildMounts {
  bool wanted = false;
};

size_t SizeOf(const Mounts& mounts);
ChildMounts Copy(const Mounts& mounts, Region* region);

// Where the making of mounts failed: at which stage, and at which element of the list.
struct MountFailure {
  Stage stage = Stage::mount;
  int32_t element = 0;
};

// The child's step: no heap, no errno. 0, or a negative errno with `*failed` set.
long MakeMounts(const ChildMounts& mounts, MountFailure* failed);

}  // namespace linx

#endif  // LINX_MOUNTS_H_
