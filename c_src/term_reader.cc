#include "term_reader.h"

#include <ei.h>

#include <climits>

#include "term_shape.h"

namespace linx {

namespace {

constexpr uint8_t kVersion = 131;
constexpr size_t kVersionBytes = 1;

}  // namespace

TermReader::TermReader(std::string_view frame) : data_(frame.data()), size_(0) {
  if (frame.size() <= kVersionBytes || frame.size() > INT_MAX) return;
  const int size = static_cast<int>(frame.size());
  if (ByteAt(data_) != kVersion || EndOfTerm(data_, size, kVersionBytes) != size) return;
  size_ = size;
  index_ = kVersionBytes;
  valid_ = true;
}

// From here on every position is the beginning of a whole term, or the end: terms stand one behind
// the other, and each step goes past a header or past a term. So erl_interface reads inside the
// frame, whatever a caller reads in whatever order.

int TermReader::Tag() const {
  if (string_left_ > 0) return ERL_SMALL_INTEGER_EXT;
  return AtEnd() ? -1 : ByteAt(data_ + index_);
}

TermType TermReader::Peek() const {
  switch (Tag()) {
    case -1:
      return TermType::end;
    case ERL_SMALL_INTEGER_EXT:
    case ERL_INTEGER_EXT:
    case ERL_SMALL_BIG_EXT:
    case ERL_LARGE_BIG_EXT:
      return TermType::integer;
    case ERL_ATOM_EXT:
    case ERL_SMALL_ATOM_EXT:
    case ERL_ATOM_UTF8_EXT:
    case ERL_SMALL_ATOM_UTF8_EXT:
      return TermType::atom;
    case ERL_BINARY_EXT:
      return TermType::binary;
    case ERL_SMALL_TUPLE_EXT:
    case ERL_LARGE_TUPLE_EXT:
      return TermType::tuple;
    case ERL_NIL_EXT:
    case ERL_LIST_EXT:
    case ERL_STRING_EXT:
      return TermType::list;
    case ERL_MAP_EXT:
      return TermType::map;
    default:
      return TermType::other;
  }
}

bool TermReader::ReadAtom(std::string_view* name) {
  if (Peek() != TermType::atom) return false;
  const size_t header = 1 + AtomLengthBytes(ByteAt(data_ + index_));
  const size_t length = BigEndianAt(data_ + index_ + 1, header - 1);
  *name = std::string_view(data_ + index_ + header, length);
  index_ += static_cast<int>(header + length);
  return true;
}

bool TermReader::ReadStringByte(uint8_t* value) {
  if (string_left_ == 0) return false;
  --string_left_;
  *value = ByteAt(data_ + index_++);
  return true;
}

bool TermReader::ReadInt(int64_t* value) {
  uint8_t byte;
  long long decoded;
  if (ReadStringByte(&byte)) {
    decoded = byte;
  } else if (Peek() != TermType::integer || ei_decode_longlong(data_, &index_, &decoded) != 0) {
    return false;
  }
  *value = decoded;
  return true;
}

bool TermReader::ReadUint(uint64_t* value) {
  uint8_t byte;
  unsigned long long decoded;
  if (ReadStringByte(&byte)) {
    decoded = byte;
  } else if (Peek() != TermType::integer || ei_decode_ulonglong(data_, &index_, &decoded) != 0) {
    return false;
  }
  *value = decoded;
  return true;
}

bool TermReader::ReadUint(uint64_t max, uint64_t* value) {
  const TermReader start = *this;
  uint64_t read;
  if (ReadUint(&read) && read <= max) {
    *value = read;
    return true;
  }
  *this = start;
  return false;
}

bool TermReader::ReadBool(bool* value) {
  Value word;
  const TermReader start = *this;
  if (ReadName(&word) && (word == Value::true_ || word == Value::false_)) {
    *value = word == Value::true_;
    return true;
  }
  *this = start;
  return false;
}

bool TermReader::ReadBinary(std::string_view* bytes) {
  const char* start;
  unsigned offset;
  size_t bits;
  if (Peek() != TermType::binary ||
      ei_decode_bitstring(data_, &index_, &start, &offset, &bits) != 0) {
    return false;
  }
  *bytes = std::string_view(start, bits / 8);
  return true;
}

bool TermReader::ReadTuple(size_t* arity) {
  int decoded;
  if (Peek() != TermType::tuple || ei_decode_tuple_header(data_, &index_, &decoded) != 0) {
    return false;
  }
  *arity = static_cast<size_t>(decoded);
  return true;
}

bool TermReader::ReadTupleOf(size_t arity) {
  const TermReader start = *this;
  size_t read;
  if (ReadTuple(&read) && read == arity) return true;
  *this = start;
  return false;
}

bool TermReader::ReadMap(size_t* pairs) {
  int decoded;
  if (Peek() != TermType::map || ei_decode_map_header(data_, &index_, &decoded) != 0) return false;
  *pairs = static_cast<size_t>(decoded);
  return true;
}

bool TermReader::BeginList(List* list) {
  if (Tag() == ERL_STRING_EXT) {
    string_left_ = static_cast<uint16_t>(BigEndianAt(data_ + index_ + 1, 2));
    index_ += 3;
    *list = {string_left_, false};
    return true;
  }
  int decoded;
  const bool nil = Tag() == ERL_NIL_EXT;
  if (Peek() != TermType::list || ei_decode_list_header(data_, &index_, &decoded) != 0) {
    return false;
  }
  *list = {static_cast<size_t>(decoded), !nil};
  return true;
}

bool TermReader::EndList(const List& list) {
  if (!list.tail) return string_left_ == 0;
  if (Tag() != ERL_NIL_EXT) return false;
  ++index_;
  return true;
}

bool TermReader::Skip() {
  uint8_t byte;
  if (ReadStringByte(&byte)) return true;
  if (AtEnd()) return false;
  index_ = EndOfTerm(data_, size_, index_);
  return true;
}

}  // namespace linx
