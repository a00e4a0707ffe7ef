// `{id, term}`: how frames of many sessions share a channel.
#ifndef LINX_ENVELOPE_H_
#define LINX_ENVELOPE_H_

#include <cstdint>
#include <string_view>

#include "term_reader.h"

namespace linx {

// Session ids are 63 bits wide.
constexpr uint64_t kMaxSessionId = UINT64_MAX >> 1;

// Reads the id and leaves the reader before the term. False, and nothing moved, where this is no
// pair with an id.
bool ReadEnvelope(TermReader& reader, uint64_t* id);

// The same for the first bytes of a frame that is too big to be kept (FrameReader's prefix).
bool ReadEnvelopePrefix(std::string_view prefix, uint64_t* id);

}  // namespace linx

#endif  // LINX_ENVELOPE_H_
