// What mountinfo(5) says, read as it comes: a table of any length. No heap, no errno.
#ifndef LINX_MOUNT_INFO_H_
#define LINX_MOUNT_INFO_H_

#include <climits>
#include <cstddef>
#include <cstdint>

namespace linx {

struct MountEntry {
  uint64_t id = 0;       // as statx(2) has it
  uint64_t flags = 0;    // MS_RDONLY, _NOSUID, _NODEV, _NOEXEC, _NOSYMFOLLOW: the mount's own
  char place[PATH_MAX];  // seen from the reader's root
};

class MountTable {
 public:
  // `file` is an open mountinfo, borrowed.
  explicit MountTable(int file) : file_(file) {}

  // 1 with the next mount, 0 where there is none left, or a negative errno: -ENAMETOOLONG where a
  // place is longer than any path may be.
  long Next(MountEntry* out);

 private:
  int NextChar();
  int SkipField();
  int ReadFlag(uint64_t* flags);
  long ReadPlace(char* out);

  int file_;
  long size_ = 0;  // of what is in the buffer; negative: what reading failed with
  long next_ = 0;
  char buffer_[1024];
};

}  // namespace linx

#endif  // LINX_MOUNT_INFO_H_
