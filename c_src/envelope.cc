#include "envelope.h"

#include <ei.h>

#include <string>

namespace linx {

bool ReadEnvelope(TermReader& reader, uint64_t* id) {
  const TermReader start = reader;
  if (reader.ReadTupleOf(2) && reader.ReadUint(kMaxSessionId, id)) return true;
  reader = start;
  return false;
}

bool ReadEnvelopePrefix(std::string_view prefix, uint64_t* id) {
  // Cut behind the id, the frame is a pair that lacks its second term: nil completes it.
  constexpr size_t kIdAt = 3;  // behind the version, the tuple's tag and its arity
  for (size_t id_bytes = 2; kIdAt + id_bytes <= prefix.size(); ++id_bytes) {
    std::string pair(prefix.substr(0, kIdAt + id_bytes));
    pair.push_back(ERL_NIL_EXT);
    TermReader reader(pair);
    if (ReadEnvelope(reader, id)) return true;
  }
  return false;
}

}  // namespace linx
