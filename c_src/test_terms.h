// Terms spelled out byte by byte, without the code under test.
#ifndef LINX_TEST_TERMS_H_
#define LINX_TEST_TERMS_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace linx::test {

inline std::string BigEndian(uint64_t value, size_t bytes) {
  std::string out;
  while (bytes-- > 0) out.push_back(static_cast<char>(value >> (8 * bytes)));
  return out;
}

inline std::string Join(std::initializer_list<std::string> parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

inline std::string Atom(std::string_view name) {
  return "w" + BigEndian(name.size(), 1) + std::string(name);
}

inline std::string Binary(std::string_view bytes) {
  return "m" + BigEndian(bytes.size(), 4) + std::string(bytes);
}

inline std::string Uint(uint64_t value) {
  if (value < 256) return "a" + BigEndian(value, 1);
  std::string out = std::string("n\x08") + '\0';
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

inline std::string Int(int32_t value) { return "b" + BigEndian(static_cast<uint32_t>(value), 4); }

inline std::string Tuple(std::initializer_list<std::string> elements) {
  return "h" + BigEndian(elements.size(), 1) + Join(elements);
}

inline std::string ImproperList(std::initializer_list<std::string> elements,
                                const std::string& tail) {
  return "l" + BigEndian(elements.size(), 4) + Join(elements) + tail;
}

inline std::string List(std::initializer_list<std::string> elements) {
  return elements.size() == 0 ? "j" : ImproperList(elements, "j");
}

// A list of bytes, the way term_to_binary sends it.
inline std::string String(std::string_view bytes) {
  return "k" + BigEndian(bytes.size(), 2) + std::string(bytes);
}

inline std::string Map(std::initializer_list<std::pair<std::string, std::string>> pairs) {
  std::string out = "t" + BigEndian(pairs.size(), 4);
  for (const auto& [key, value] : pairs) out += key + value;
  return out;
}

inline std::string Frame(const std::string& term) { return "\x83" + term; }

}  // namespace linx::test

#endif  // LINX_TEST_TERMS_H_
