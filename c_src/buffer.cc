#include "buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace linx {

namespace {
constexpr size_t kFirstBlock = 4096;
}

Buffer::~Buffer() { std::free(block_); }

char* Buffer::Reserve(size_t n) {
  // The bound also keeps the sums below from overflowing.
  failed_ = failed_ || n > kMaxBytes || tail_ + n > kMaxBytes;
  if (failed_) return nullptr;
  if (room() >= n && block_ != nullptr) return block_ + tail_;
  // Moving what is left to the front is paid for by what was consumed before it, so every byte is
  // moved a bounded number of times.
  if (head_ >= size() && capacity_ - size() >= n && block_ != nullptr) {
    std::memmove(block_, data(), size());
    tail_ = size();
    head_ = 0;
    return block_ + tail_;
  }
  const size_t wanted = std::max({tail_ + n, capacity_ * 2, kFirstBlock});
  char* grown = static_cast<char*>(std::realloc(block_, wanted));
  failed_ = grown == nullptr;
  if (failed_) return nullptr;
  block_ = grown;
  capacity_ = wanted;
  return block_ + tail_;
}

void Buffer::Append(const void* bytes, size_t n) {
  char* at = Reserve(n);
  if (at == nullptr) return;
  if (n > 0) std::memcpy(at, bytes, n);
  Commit(n);
}

void Buffer::Consume(size_t n) {
  head_ += n;
  if (head_ == tail_) head_ = tail_ = 0;
}

void Buffer::ShrinkTo(size_t keep) {
  if (!empty() || capacity_ <= keep) return;
  std::free(block_);
  block_ = nullptr;
  head_ = tail_ = capacity_ = 0;
}

}  // namespace linx
