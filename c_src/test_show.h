// Frames as Elixir would print them, so that a test reads as the protocol does.
#ifndef LINX_TEST_SHOW_H_
#define LINX_TEST_SHOW_H_

#include <cctype>
#include <string>
#include <string_view>

#include "term_reader.h"

namespace linx::test {

// The next term; what is no atom, integer, binary, tuple, list or map is shown as "?".
inline std::string Show(TermReader& reader) {
  std::string_view bytes;
  int64_t number;
  uint64_t positive;
  size_t count;
  if (reader.ReadAtom(&bytes)) return ":" + std::string(bytes);
  if (reader.ReadInt(&number)) return std::to_string(number);
  if (reader.ReadUint(&positive)) return std::to_string(positive);
  if (reader.ReadBinary(&bytes)) return '"' + std::string(bytes) + '"';
  std::string all;
  const auto add = [&all](const std::string& text) { all += (all.empty() ? "" : ", ") + text; };
  if (reader.ReadTuple(&count)) {
    while (count-- > 0) add(Show(reader));
    return "{" + all + "}";
  }
  if (reader.ReadMap(&count)) {
    while (count-- > 0) {
      const std::string key = Show(reader);
      add(key + " => " + Show(reader));
    }
    return "%{" + all + "}";
  }
  if (reader.ReadList([&](TermReader& element) {
        add(Show(element));
        return true;
      })) {
    return "[" + all + "]";
  }
  return reader.Skip() ? "?" : "";
}

// A frame's body.
inline std::string Show(std::string_view body) {
  TermReader reader(body);
  return reader.valid() ? Show(reader) : "malformed";
}

}  // namespace linx::test

#endif  // LINX_TEST_SHOW_H_
