// The capabilities, securebits and filters that a request itself gives: the agent orders them of
// the parked child before it lets it go, as it would on the BEAM's commands.
#ifndef LINX_PRIVILEGES_H_
#define LINX_PRIVILEGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint.h"
#include "command.h"
#include "result.h"
#include "term_reader.h"

namespace linx {

// What is not given stays as it is; effective, then, as far as permitted allows.
struct Privileges {
  std::optional<uint64_t> effective, permitted, inheritable, bounding, ambient;
  std::optional<uint64_t> securebits;
  std::vector<std::variant<SeccompInstall, SeccompRules>> filters;

  bool caps_wanted() const {
    return effective || permitted || inheritable || bounding || ambient || securebits;
  }
  bool wanted() const { return caps_wanted() || !filters.empty(); }
};

// Each reads the value of the key of its name, and answers false where it is of another shape.
bool ReadCapabilities(TermReader& reader, Privileges* out);
bool ReadSecurebits(TermReader& reader, Privileges* out);
bool ReadSeccomp(TermReader& reader, Privileges* out);

constexpr char kExpectedCapabilities[] =
    "a map of effective permitted inheritable bounding ambient to 64-bit masks";
constexpr char kExpectedSecurebits[] = "a list of securebits, keep_caps not among them";
constexpr char kExpectedSeccomp[] =
    "a list of at most 16 filters, each a map as of seccomp_rules or a binary of BPF";

// The records for the child's channel, in an order in which each finds what it needs. They count
// among the commands of the checkpoint. Errors: the stage of the order, with the code and detail
// that its command would be refused with.
Result<std::vector<std::string>> OrdersOf(const Privileges& wanted, Checkpoint* checkpoint);

}  // namespace linx

#endif  // LINX_PRIVILEGES_H_
