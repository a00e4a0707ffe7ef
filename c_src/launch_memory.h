// Where a child's plan lives while the child runs from it: mappings of their own, since forks do
// not get the heap.
#ifndef LINX_LAUNCH_MEMORY_H_
#define LINX_LAUNCH_MEMORY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace linx {

// A mapping that hands out its bytes from the front.
class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();

  // At least `size` bytes. False where memory is out; a region that is big enough is kept.
  bool Ensure(size_t size);
  // Left out of forks from now on: for children that share the agent's memory. False with errno set
  // where the kernel refuses.
  bool HideFromForks();
  // Overwrites what was handed out, so that later forks see nothing of it, and starts over.
  void Wipe();
  // Starts over without that: for a region that forks do not get.
  void Rewind() { used_ = 0; }

  char* Take(size_t size, size_t align);
  template <typename T>
  T* TakeArray(size_t count) {
    return reinterpret_cast<T*>(Take(count * sizeof(T), alignof(T)));
  }

  // With the NUL.
  char* Copy(const std::string& text) {
    char* copy = Take(text.size() + 1, 1);
    std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
  }
  template <typename T>
  T* Copy(const std::vector<T>& list) {
    T* copy = TakeArray<T>(list.size());
    std::copy(list.begin(), list.end(), copy);
    return copy;
  }

  char* base() const { return base_; }
  size_t size() const { return size_; }
  size_t used() const { return used_; }
  explicit operator bool() const { return base_ != nullptr; }

 private:
  char* base_ = nullptr;
  size_t size_ = 0, used_ = 0;
};

}  // namespace linx

#endif  // LINX_LAUNCH_MEMORY_H_
