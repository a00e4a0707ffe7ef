// Reads one External Term Format frame without ever looking outside it.
//
// The decoding is erl_interface's, which trusts its input. So the whole frame is walked once when a
// reader is made: every tag is known, every declared length and arity fits what is left of the
// frame, nothing trails the term. Nesting costs no stack, however deep. Nothing is allocated: what
// is read is a number or a view into the frame, which must outlive the reader and its copies.
//
// Every Read* answers false and moves nothing where the next term is of another kind, so that
// alternatives can be tried in turn. A copy of a reader is a saved position.
#ifndef LINX_TERM_READER_H_
#define LINX_TERM_READER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol.h"

namespace linx {

enum class TermType : uint8_t { atom, integer, binary, tuple, list, map, other, end };

class TermReader {
 public:
  // `frame` is a frame's body, version byte and all.
  explicit TermReader(std::string_view frame);

  // False: the frame is no well-formed term, and every read fails. Compressed terms are refused.
  bool valid() const { return valid_; }
  // True once the frame's only term is read, and for an invalid frame.
  bool AtEnd() const { return index_ == size_; }
  // The kind of the next term. `integer` is any integer, however large; `other` is a float, pid,
  // port, reference, fun or a binary of odd bits.
  TermType Peek() const;

  // The atom's name as its bytes stand in the frame: UTF-8, or Latin-1 from an old sender. Names
  // of the protocol are ASCII, where both are the same.
  bool ReadAtom(std::string_view* name);
  // An atom that is one of an enum's names in protocol.def.
  template <typename Enumerator>
  bool ReadName(Enumerator* name) {
    const TermReader start = *this;
    std::string_view spelling;
    if (ReadAtom(&spelling) && Find(spelling, name)) return true;
    *this = start;
    return false;
  }
  // Fails for an integer out of the type's range, as for another kind.
  bool ReadInt(int64_t* value);
  bool ReadUint(uint64_t* value);
  // An unsigned integer of at most `max`.
  bool ReadUint(uint64_t max, uint64_t* value);
  bool ReadBool(bool* value);
  bool ReadBinary(std::string_view* bytes);
  // The header only: the elements are the next `arity` terms.
  bool ReadTuple(size_t* arity);
  // The header of a tuple of exactly this arity.
  bool ReadTupleOf(size_t arity);
  // The header only: keys and values are the next `2 * pairs` terms.
  bool ReadMap(size_t* pairs);

  // A whole proper list: calls `element(*this)` before each element, which reads exactly that one
  // and answers whether it did. A list of small integers counts as one, though it is sent as a
  // string. Fails, and then does move nothing, for an element that fails and for an improper tail.
  template <typename Element>
  bool ReadList(Element&& element) {
    const TermReader start = *this;
    List list;
    bool good = BeginList(&list);
    for (size_t i = 0; good && i < list.size; ++i) good = element(*this);
    if (good) good = EndList(list);
    if (!good) *this = start;
    return good;
  }

  // Past one term of any kind; false only at the end.
  bool Skip();

 private:
  struct List {
    size_t size;
    bool tail;  // a tail follows the elements, which must be nil
  };
  int Tag() const;
  bool ReadStringByte(uint8_t* value);
  bool BeginList(List* list);
  bool EndList(const List& list);

  const char* data_;
  int size_;
  int index_ = 0;
  // The bytes that are left of a string: the next terms are these, as integers.
  uint16_t string_left_ = 0;
  bool valid_ = false;
};

}  // namespace linx

#endif  // LINX_TERM_READER_H_
