#include "sha256.h"

#include <doctest/doctest.h>

namespace linx {
namespace {

std::string HexOf(std::string_view bytes) {
  Sha256 hash;
  hash.Add(bytes);
  return hash.Hex();
}

TEST_CASE("sha256: the standard's examples") {
  CHECK(HexOf("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(HexOf("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(HexOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(HexOf(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: pieces are as the whole, whatever their lengths") {
  const std::string bytes(200, 'x');
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Sha256 hash;
    hash.Add(std::string_view(bytes).substr(0, cut));
    hash.Add(std::string_view(bytes).substr(cut));
    REQUIRE(hash.Hex() == HexOf(bytes));
  }
}

}  // namespace
}  // namespace linx
