// Landlock rules, landlock(7), as a request has them and as the child puts them in force.
#ifndef LINX_LANDLOCK_H_
#define LINX_LANDLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "launch_memory.h"
#include "result.h"
#include "term_reader.h"

namespace linx {

struct LandlockPath {
  std::string path;  // absolute
  uint64_t rights;   // 1 << FsRight
};

struct LandlockPort {
  uint64_t port;
  uint64_t rights;  // 1 << NetRight
};

// What is handled is denied but where a rule gives it back.
struct Landlock {
  uint64_t handled_fs = 0;   // 1 << FsRight
  uint64_t handled_net = 0;  // 1 << NetRight
  uint64_t scopes = 0;       // 1 << Scope
  std::vector<LandlockPath> paths;
  std::vector<LandlockPort> ports;
  bool best_effort = false;

  bool wanted() const { return (handled_fs | handled_net | scopes) != 0; }
};

// In their order: each denies of what those before it leave.
using LandlockLayers = std::vector<Landlock>;
constexpr size_t kMaxLandlockLayers = 16;  // the kernel's

// Reads the value of the key `landlock`, a layer or a list of them, and answers false where it is
// of another shape, or where a rule gives back what is not handled.
bool ReadLandlock(TermReader& reader, LandlockLayers* out);

constexpr char kExpectedLandlock[] =
    "a map of handled_fs, paths, handled_net, ports, scopes, best_effort, or a list of 1 to 16; a "
    "rule's rights handled";

// The ABI of the running kernel; 0 where it has no landlock, or has it turned off.
int LandlockAbi();

// Sees to it that a kernel of this ABI can enforce all of a layer: what it cannot is taken out
// where the request says best_effort. Errors: landlock, EOPNOTSUPP, the detail says what needs
// which ABI.
Status FitToAbi(int abi, Landlock* landlock);

// What a failure at `element` of the rules was about, of each layer paths first, then ports; empty
// where nothing is to be said.
std::string DetailOf(const LandlockLayers& layers, int32_t element);

// The same for the child, outside the heap.
struct ChildLandlock {
  struct Path {
    const char* path;
    uint64_t rights;
  };
  struct Layer {
    bool wanted = false;
    uint64_t handled_fs = 0, handled_net = 0, scopes = 0;
    const Path* paths = nullptr;
    const LandlockPort* ports = nullptr;
    size_t path_count = 0, port_count = 0;
  };
  bool wanted = false;
  const Layer* layers = nullptr;
  size_t layer_count = 0;
};

size_t SizeOf(const LandlockLayers& layers);
ChildLandlock Copy(const LandlockLayers& layers, Region* region);

// The child's step: no heap, no errno. 0, or a negative errno with `*element` set to the rule, -1
// where it is none's. Needs no_new_privs. Paths are looked up with the rights of the caller; what
// applies to directories alone is left out of a rule for a file.
long Restrict(const ChildLandlock& landlock, int32_t* element);

}  // namespace linx

#endif  // LINX_LANDLOCK_H_
