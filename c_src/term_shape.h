// Where a term ends, found without trusting any of it.
#ifndef LINX_TERM_SHAPE_H_
#define LINX_TERM_SHAPE_H_

#include <cstddef>
#include <cstdint>

namespace linx {

inline uint8_t ByteAt(const char* at) { return static_cast<uint8_t>(*at); }

inline uint64_t BigEndianAt(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | ByteAt(at + i);
  return value;
}

// How many bytes of length follow an atom's tag; 0 where the tag is no atom's.
size_t AtomLengthBytes(uint8_t tag);

// The end of the term at `index` of `size` bytes, or -1 where they do not hold a whole one or a tag
// is none of term_to_binary's: compressed terms, atom cache references and the funs of old are
// none. It takes no memory and, whatever the bytes claim, no more steps than there are bytes.
int EndOfTerm(const char* data, int size, int index);

}  // namespace linx

#endif  // LINX_TERM_SHAPE_H_
