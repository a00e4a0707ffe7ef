// Landlock rules, landlock(7), as a request has them and as the child puts them in force.
#ifndef LINX_LANDLOCK_H_
#define LINX_LANDLOCK_H_

#include <cstdint>
#include <string>

#include "launch_memory.h"
#include "term_reader.h"

namespace linx {

struct Landlock {
  bool wanted() const { return false; }
};

// Reads the value of the key `landlock`, and answers false where it is of another shape.
bool ReadLandlock(TermReader& reader, Landlock* out);

constexpr char kExpectedLandlock[] = "a map";

// What a failure at `element` of the rules was about; empty where nothing is to be said.
std::string DetailOf(const Landlock& landlock, int32_t element);

// The same for the child, outside the heap.
struct ChildLandlock {
  bool wanted = false;
};

size_t SizeOf(const Landlock& landlock);
ChildLandlock Copy(const Landlock& landlock, Region* region);

// The child's step: no heap, no errno. 0, or a negative errno with `*element` set to the rule.
long Restrict(const ChildLandlock& landlock, int32_t* element);

}  // namespace linx

#endif  // LINX_LANDLOCK_H_
