#include "stdin_head.h"

#include <ei.h>

#include "protocol.h"
#include "term_shape.h"

namespace linx {
namespace {

// Bytes from the front, until there are none.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool Skip(std::string_view expected) {
    if (bytes_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  bool Take(size_t size, uint64_t* value) {
    if (bytes_.size() - at_ < size) return false;
    *value = BigEndianAt(bytes_.data() + at_, size);
    at_ += size;
    return true;
  }
  size_t at() const { return at_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

constexpr uint64_t kVersion = 131;  // of the format
constexpr std::string_view kPair("h\2", 2);

bool TakeId(Cursor* cursor, uint64_t* id) {
  uint64_t tag, size, byte;
  if (!cursor->Take(1, &tag)) return false;
  if (tag == ERL_SMALL_INTEGER_EXT) return cursor->Take(1, id);
  if (tag == ERL_INTEGER_EXT) return cursor->Take(4, id) && *id <= INT32_MAX;
  // Its sign, then the least byte first.
  if (tag != ERL_SMALL_BIG_EXT || !cursor->Take(1, &size) || size > 8) return false;
  if (!cursor->Skip({"", 1})) return false;
  *id = 0;
  for (uint64_t i = 0; i < size; ++i) {
    if (!cursor->Take(1, &byte)) return false;
    *id |= byte << (8 * i);
  }
  return true;
}

bool TakeStdin(Cursor* cursor) {
  uint64_t tag, length;
  if (!cursor->Take(1, &tag)) return false;
  const size_t length_bytes = AtomLengthBytes(static_cast<uint8_t>(tag));
  const std::string_view name = Name(CommandName::stdin);
  return length_bytes > 0 && cursor->Take(length_bytes, &length) && length == name.size() &&
         cursor->Skip(name);
}

}  // namespace

bool ReadStdinHead(std::string_view begin, size_t length, bool envelope, StdinHead* head) {
  Cursor cursor(begin);
  uint64_t tag, bytes;
  if (!cursor.Take(1, &tag) || tag != kVersion) return false;
  if (envelope && (!cursor.Skip(kPair) || !TakeId(&cursor, &head->id))) return false;
  if (!cursor.Skip(kPair) || !TakeStdin(&cursor)) return false;
  if (!cursor.Take(1, &tag) || tag != ERL_BINARY_EXT || !cursor.Take(4, &bytes)) return false;
  head->size = cursor.at();
  head->bytes = bytes;
  return head->size + bytes == length;
}

}  // namespace linx
