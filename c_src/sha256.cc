#include "sha256.h"

#include <algorithm>
#include <cstdio>

namespace linx {
namespace {

// The fractions of the cube roots of the first primes.
constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

uint32_t Rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

uint32_t ReadWord(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

}  // namespace

void Sha256::Compress() {
  uint32_t schedule[64];
  for (size_t i = 0; i < 16; ++i) schedule[i] = ReadWord(&block_[4 * i]);
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t early = schedule[i - 15], late = schedule[i - 2];
    schedule[i] = schedule[i - 16] + (Rotate(early, 7) ^ Rotate(early, 18) ^ early >> 3) +
                  schedule[i - 7] + (Rotate(late, 17) ^ Rotate(late, 19) ^ late >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t chosen = (e & f) ^ (~e & g);
    const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    const uint32_t one =
        h + (Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25)) + chosen + kRound[i] + schedule[i];
    const uint32_t other = (Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22)) + majority;
    h = g, g = f, f = e, e = d + one;
    d = c, c = b, b = a, a = one + other;
  }
  const uint32_t result[] = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < state_.size(); ++i) state_[i] += result[i];
}

void Sha256::Add(std::string_view bytes) {
  added_ += bytes.size();
  for (const char byte : bytes) {
    block_[filled_++] = static_cast<uint8_t>(byte);
    if (filled_ < kBlock) continue;
    Compress();
    filled_ = 0;
  }
}

std::string Sha256::Hex() {
  const uint64_t bits = added_ * 8;
  Add(std::string_view("\x80", 1));
  while (filled_ != kBlock - sizeof(bits)) Add(std::string_view("\0", 1));
  for (int shift = 56; shift >= 0; shift -= 8) {
    const char byte = static_cast<char>(bits >> shift);
    Add(std::string_view(&byte, 1));
  }
  char hex[2 * 4 * 8 + 1];
  for (size_t i = 0; i < state_.size(); ++i) std::snprintf(hex + 8 * i, 9, "%08x", state_[i]);
  return hex;
}

}  // namespace linx
