#include "term_shape.h"

#include <ei.h>

namespace linx {

namespace {

// 255 characters of at most four bytes each.
constexpr size_t kMaxAtomBytes = 255 * 4;
// The size field of a fun counts itself, and what every fun has.
constexpr uint64_t kMinFunSize = 4 + 1 + 16 + 4 + 4;

// What one term takes by itself: its own bytes, tag included, and the terms that follow inside it.
struct Shape {
  uint64_t bytes;
  uint64_t children;
};

// All of these answer false where `left` bytes do not hold the term's own part.

bool MeasureAtom(const char* at, size_t left, uint64_t* bytes) {
  const size_t header = left > 0 ? AtomLengthBytes(ByteAt(at)) : 0;
  if (header == 0 || left < 1 + header) return false;
  const uint64_t length = BigEndianAt(at + 1, header);
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
  return MeasureId(at, left, 3, creation + 4 * BigEndianAt(at + 1, 2), shape);
}

// `header` bytes of length, then `extra` bytes and the length's own.
bool MeasureBytes(const char* at, size_t left, size_t header, size_t extra, Shape* shape) {
  if (left < 1 + header) return false;
  *shape = {1 + header + extra + BigEndianAt(at + 1, header), 0};
  return shape->bytes <= left;
}

// `header` bytes of arity, then `each` terms for every one and `extra` terms.
bool MeasureTerms(const char* at, size_t left, size_t header, size_t each, size_t extra,
                  Shape* shape) {
  if (left < 1 + header) return false;
  *shape = {1 + header, each * BigEndianAt(at + 1, header) + extra};
  return true;
}

bool MeasureFixed(size_t left, size_t bytes, size_t children, Shape* shape) {
  *shape = {bytes, children};
  return bytes <= left;
}

bool MeasureFun(const char* at, size_t left, Shape* shape) {
  if (left < 5) return false;
  const uint64_t size = BigEndianAt(at + 1, 4);
  *shape = {1 + size, 0};
  return size >= kMinFunSize && shape->bytes <= left;
}

bool Measure(const char* at, size_t left, Shape* shape) {
  if (left == 0) return false;
  switch (ByteAt(at)) {
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

}  // namespace

size_t AtomLengthBytes(uint8_t tag) {
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

// One counter stands for the whole nesting. It never passes the bytes that are left, of which every
// term needs one, so the walk ends after as many steps.
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

}  // namespace linx
