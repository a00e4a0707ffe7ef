#include "term_reader.h"

#include <ei.h>

#include <climits>

namespace linx {

namespace {

constexpr uint8_t kVersion = 131;
constexpr size_t kVersionBytes = 1;
// 255 characters of at most four bytes each.
constexpr size_t kMaxAtomBytes = 255 * 4;
// The size field of a fun counts itself, and what every fun has.
constexpr uint64_t kMinFunSize = 4 + 1 + 16 + 4 + 4;

uint8_t Byte(const char* at) { return static_cast<uint8_t>(*at); }

uint64_t BigEndian(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | Byte(at + i);
  return value;
}

// How many bytes follow a tag's own byte before its length is known.
size_t AtomHeader(uint8_t tag) {
  switch (tag) {
    case ERL_ATOM_EXT:
    case ERL_ATOM_UTF8_EXT:
      return 2;
    case ERL_SMALL_ATOM_EXT:
    case ERL_SMALL_ATOM_UTF8_EXT:
      return 1;
    default:
      return 0;
  }
}

// What one term takes by itself: its own bytes, tag included, and the terms that follow inside it.
struct Shape {
  uint64_t bytes;
  uint64_t children;
};

// All of these answer false where `left` bytes do not hold the term's own part.

bool MeasureAtom(const char* at, size_t left, uint64_t* bytes) {
  const size_t header = left > 0 ? AtomHeader(Byte(at)) : 0;
  if (header == 0 || left < 1 + header) return false;
  const uint64_t length = BigEndian(at + 1, header);
  *bytes = 1 + header + length;
  return length <= kMaxAtomBytes && *bytes <= left;
}

// A pid, port or reference: `before` bytes, the node's name, `after` bytes.
bool MeasureId(const char* at, size_t left, size_t before, uint64_t after, Shape* shape) {
  uint64_t node;
  if (left < before || !MeasureAtom(at + before, left - before, &node)) return false;
  *shape = {before + node + after, 0};
  return shape->bytes <= left;
}

// A reference says how many words its id has.
bool MeasureReference(const char* at, size_t left, size_t creation, Shape* shape) {
  if (left < 3) return false;
  return MeasureId(at, left, 3, creation + 4 * BigEndian(at + 1, 2), shape);
}

// `header` bytes of length, then `extra` bytes and the length's own.
bool MeasureBytes(const char* at, size_t left, size_t header, size_t extra, Shape* shape) {
  if (left < 1 + header) return false;
  *shape = {1 + header + extra + BigEndian(at + 1, header), 0};
  return shape->bytes <= left;
}

// `header` bytes of arity, then `each` terms for every one and `extra` terms.
bool MeasureTerms(const char* at, size_t left, size_t header, size_t each, size_t extra,
                  Shape* shape) {
  if (left < 1 + header) return false;
  *shape = {1 + header, each * BigEndian(at + 1, header) + extra};
  return true;
}

bool MeasureFixed(size_t left, size_t bytes, size_t children, Shape* shape) {
  *shape = {bytes, children};
  return bytes <= left;
}

bool MeasureFun(const char* at, size_t left, Shape* shape) {
  if (left < 5) return false;
  const uint64_t size = BigEndian(at + 1, 4);
  *shape = {1 + size, 0};
  return size >= kMinFunSize && shape->bytes <= left;
}

bool Measure(const char* at, size_t left, Shape* shape) {
  if (left == 0) return false;
  switch (Byte(at)) {
    case ERL_SMALL_INTEGER_EXT:
      return MeasureFixed(left, 2, 0, shape);
    case ERL_INTEGER_EXT:
      return MeasureFixed(left, 5, 0, shape);
    case NEW_FLOAT_EXT:
      return MeasureFixed(left, 9, 0, shape);
    case ERL_FLOAT_EXT:
      return MeasureFixed(left, 32, 0, shape);
    case ERL_SMALL_BIG_EXT:
      return MeasureBytes(at, left, 1, 1, shape);
    case ERL_LARGE_BIG_EXT:
      return MeasureBytes(at, left, 4, 1, shape);
    case ERL_ATOM_EXT:
    case ERL_SMALL_ATOM_EXT:
    case ERL_ATOM_UTF8_EXT:
    case ERL_SMALL_ATOM_UTF8_EXT:
      shape->children = 0;
      return MeasureAtom(at, left, &shape->bytes);
    case ERL_STRING_EXT:
      return MeasureBytes(at, left, 2, 0, shape);
    case ERL_BINARY_EXT:
      return MeasureBytes(at, left, 4, 0, shape);
    case ERL_BIT_BINARY_EXT:
      return MeasureBytes(at, left, 4, 1, shape);
    case ERL_NIL_EXT:
      return MeasureFixed(left, 1, 0, shape);
    case ERL_LIST_EXT:
      return MeasureTerms(at, left, 4, 1, 1, shape);
    case ERL_SMALL_TUPLE_EXT:
      return MeasureTerms(at, left, 1, 1, 0, shape);
    case ERL_LARGE_TUPLE_EXT:
      return MeasureTerms(at, left, 4, 1, 0, shape);
    case ERL_MAP_EXT:
      return MeasureTerms(at, left, 4, 2, 0, shape);
    case ERL_PID_EXT:
      return MeasureId(at, left, 1, 9, shape);
    case ERL_NEW_PID_EXT:
      return MeasureId(at, left, 1, 12, shape);
    case ERL_PORT_EXT:
      return MeasureId(at, left, 1, 5, shape);
    case ERL_NEW_PORT_EXT:
      return MeasureId(at, left, 1, 8, shape);
    case ERL_V4_PORT_EXT:
      return MeasureId(at, left, 1, 12, shape);
    case ERL_REFERENCE_EXT:
      return MeasureId(at, left, 1, 5, shape);
    case ERL_NEW_REFERENCE_EXT:
      return MeasureReference(at, left, 1, shape);
    case ERL_NEWER_REFERENCE_EXT:
      return MeasureReference(at, left, 4, shape);
    case ERL_EXPORT_EXT:
      return MeasureFixed(left, 1, 3, shape);
    case ERL_NEW_FUN_EXT:
      return MeasureFun(at, left, shape);
    default:
      return false;
  }
}

// The end of the term at `index`, or -1. One counter stands for the whole nesting. It never passes
// the bytes that are left, of which every term needs one, so the walk ends after as many steps.
int EndOfTerm(const char* data, int size, int index) {
  uint64_t wanted = 1;
  for (; wanted > 0; --wanted) {
    Shape shape;
    if (!Measure(data + index, static_cast<size_t>(size - index), &shape)) return -1;
    index += static_cast<int>(shape.bytes);
    wanted += shape.children;
    if (wanted - 1 > static_cast<uint64_t>(size - index)) return -1;
  }
  return index;
}

}  // namespace

TermReader::TermReader(std::string_view frame) : data_(frame.data()), size_(0) {
  if (frame.size() <= kVersionBytes || frame.size() > INT_MAX) return;
  const int size = static_cast<int>(frame.size());
  if (Byte(data_) != kVersion || EndOfTerm(data_, size, kVersionBytes) != size) return;
  size_ = size;
  index_ = kVersionBytes;
  valid_ = true;
}

// From here on every position is the beginning of a whole term, or the end: terms stand one behind
// the other, and each step goes past a header or past a term. So erl_interface reads inside the
// frame, whatever a caller reads in whatever order.

int TermReader::Tag() const {
  if (string_left_ > 0) return ERL_SMALL_INTEGER_EXT;
  return AtEnd() ? -1 : Byte(data_ + index_);
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
  const size_t header = 1 + AtomHeader(Byte(data_ + index_));
  const size_t length = BigEndian(data_ + index_ + 1, header - 1);
  *name = std::string_view(data_ + index_ + header, length);
  index_ += static_cast<int>(header + length);
  return true;
}

bool TermReader::ReadStringByte(uint8_t* value) {
  if (string_left_ == 0) return false;
  --string_left_;
  *value = Byte(data_ + index_++);
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
    string_left_ = static_cast<uint16_t>(BigEndian(data_ + index_ + 1, 2));
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
