// The capabilities, securebits and filters that a request itself gives: the agent orders them of
// the parked child before it lets it go, as it would on the BEAM's commands.
#ifndef LINX_PRIVILEGES_H_
#define LINX_PRIVILEGES_H_

#include "term_reader.h"

namespace linx {

struct Privileges {
  bool wanted() const { return false; }
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadCapabilities(TermReader& reader, Privileges* out);
bool ReadSecurebits(TermReader& reader, Privileges* out);
bool ReadSeccomp(TermReader& reader, Privileges* out);

constexpr char kExpectedCapabilities[] = "a map";
constexpr char kExpectedSecurebits[] = "a list";
constexpr char kExpectedSeccomp[] = "a list of filters";

}  // namespace linx

#endif  // LINX_PRIVILEGES_H_
