// Appends External Term Format to a buffer.
#ifndef LINX_TERM_WRITER_H_
#define LINX_TERM_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "buffer.h"
#include "protocol.h"

namespace linx {

// A writer is only a reference to its buffer, and is copied freely. Terms follow each other as they
// are written; a tuple's header comes before its elements.
class TermWriter {
 public:
  explicit TermWriter(Buffer* out) : out_(out) {}

  // The byte that begins every term on its own.
  void Version();
  // At most 255 bytes of UTF-8.
  void Atom(std::string_view name);
  void Atom(const char* name) { Atom(std::string_view(name)); }
  // A name of protocol.def.
  template <typename Enumerator>
  void Atom(Enumerator name) {
    Atom(Name(name));
  }
  void Bool(bool value) { Atom(value ? Value::true_ : Value::false_); }
  void Int(int64_t value);
  void Uint(uint64_t value);
  void Binary(std::string_view bytes);
  // Its bytes follow by other means.
  void BinaryHeader(size_t size);
  void Tuple(size_t arity);

  // A binary whose bytes are put in place, by a read(2) say: room for `max` of them, nullptr where
  // memory is out. `CommitBinary` says how many it became (0 is allowed); it must be the next call.
  char* ReserveBinary(size_t max);
  void CommitBinary(size_t size);

 private:
  friend class MapWriter;
  friend class ListWriter;
  static constexpr size_t kBinaryHeader = 5;

  Buffer* out_;
};

// A map, open until the end of the scope; its size is filled in then. Each key is followed by one
// term. Maps and lists nest.
class MapWriter {
 public:
  explicit MapWriter(TermWriter writer);
  ~MapWriter();
  MapWriter(const MapWriter&) = delete;
  MapWriter& operator=(const MapWriter&) = delete;

  // Writes the key; the caller writes the value.
  template <typename NameOrEnumerator>
  TermWriter& Key(NameOrEnumerator name) {
    ++pairs_;
    writer_.Atom(name);
    return writer_;
  }

 private:
  TermWriter writer_;
  size_t at_;
  uint32_t pairs_ = 0;
};

// A proper list, open until the end of the scope.
class ListWriter {
 public:
  explicit ListWriter(TermWriter writer);
  ~ListWriter();
  ListWriter(const ListWriter&) = delete;
  ListWriter& operator=(const ListWriter&) = delete;

  // The caller writes one element.
  TermWriter& Item() {
    ++items_;
    return writer_;
  }

 private:
  TermWriter writer_;
  size_t at_;
  uint32_t items_ = 0;
};

}  // namespace linx

#endif  // LINX_TERM_WRITER_H_
