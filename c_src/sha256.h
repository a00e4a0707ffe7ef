// SHA-256 as of FIPS 180-4, for names that only equal inputs share.
#ifndef LINX_SHA256_H_
#define LINX_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace linx {

class Sha256 {
 public:
  void Add(std::string_view bytes);
  // The digest of all that was added, in hexadecimal. Nothing can be added afterwards.
  std::string Hex();

 private:
  static constexpr size_t kBlock = 64;

  void Compress();

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, kBlock> block_ = {};
  size_t filled_ = 0;  // of the block
  uint64_t added_ = 0;
};

}  // namespace linx

#endif  // LINX_SHA256_H_
