// Bytes that come in at the back and go out at the front.
#ifndef LINX_BUFFER_H_
#define LINX_BUFFER_H_

#include <cstddef>
#include <string_view>

namespace linx {

// One block of memory, grown by doubling and never filled with zeros first, so that a read(2) can
// land in it. Where memory runs out, or kMaxBytes would be passed, the buffer keeps what it holds,
// takes nothing more, and says so by `failed()` from then on. Pointers into it are good until the
// next call that may grow or shrink it.
class Buffer {
 public:
  static constexpr size_t kMaxBytes = size_t{1} << 30;

  Buffer() = default;
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const char* data() const { return block_ + head_; }
  char* data() { return block_ + head_; }
  size_t size() const { return tail_ - head_; }
  bool empty() const { return head_ == tail_; }
  size_t capacity() const { return capacity_; }
  bool failed() const { return failed_; }

  // Room for at least `n` bytes behind the last one, uninitialised; nullptr where memory is out.
  char* Reserve(size_t n);
  // How many bytes fit without growing.
  size_t room() const { return capacity_ - tail_; }
  // The first `n` bytes of the room now count.
  void Commit(size_t n) { tail_ += n; }
  void Append(const void* bytes, size_t n);

  // Drops `n` bytes at the front.
  void Consume(size_t n);
  // Drops all but the first `n` bytes.
  void Truncate(size_t n) { tail_ = head_ + n; }
  // Gives the memory back where the buffer is empty and holds more than `keep` bytes of it.
  void ShrinkTo(size_t keep);

 private:
  char* block_ = nullptr;
  size_t head_ = 0, tail_ = 0, capacity_ = 0;
  bool failed_ = false;
};

}  // namespace linx

#endif  // LINX_BUFFER_H_
