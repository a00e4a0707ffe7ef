#include "launch_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

namespace linx {

Region::Region(Region&& other) noexcept { *this = std::move(other); }

Region& Region::operator=(Region&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(used_, other.used_);
  return *this;
}

Region::~Region() {
  if (base_ != nullptr) munmap(base_, size_);
}

bool Region::Ensure(size_t size) {
  if (size <= size_) return true;
  const size_t pages = (size + 4095) & ~size_t{4095};
  void* at = mmap(nullptr, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return false;
  if (base_ != nullptr) munmap(base_, size_);
  base_ = static_cast<char*>(at);
  size_ = pages;
  used_ = 0;
  return true;
}

bool Region::HideFromForks() { return madvise(base_, size_, MADV_DONTFORK) == 0; }

void Region::Wipe() {
  explicit_bzero(base_, used_);
  used_ = 0;
}

char* Region::Take(size_t size, size_t align) {
  const size_t at = (used_ + align - 1) & ~(align - 1);
  used_ = at + size;
  return base_ + at;
}

}  // namespace linx
