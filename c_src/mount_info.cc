#include "mount_info.h"

#include <linux/mount.h>

#include <cerrno>
#include <cstring>

#include "raw_syscall.h"

namespace linx {
namespace {

constexpr int kEnd = -1;
constexpr size_t kMaxFlagName = 16;

struct FlagName {
  const char* name;
  uint64_t flag;
};

constexpr FlagName kFlagNames[] = {
    {"ro", MS_RDONLY},     {"nosuid", MS_NOSUID},           {"nodev", MS_NODEV},
    {"noexec", MS_NOEXEC}, {"nosymfollow", MS_NOSYMFOLLOW},
};

bool EndsField(int c) { return c == ' ' || c == '\n' || c == kEnd; }

}  // namespace

int MountTable::NextChar() {
  if (next_ >= size_) {
    next_ = 0;
    do size_ = raw::Call(SYS_read, file_, buffer_, sizeof(buffer_));
    while (size_ == -EINTR);
    if (size_ <= 0) return kEnd;
  }
  return static_cast<unsigned char>(buffer_[next_++]);
}

int MountTable::SkipField() {
  int c = NextChar();
  while (!EndsField(c)) c = NextChar();
  return c;
}

// One of the names that commas separate. Others than these are none of ours.
int MountTable::ReadFlag(uint64_t* flags) {
  char name[kMaxFlagName] = {};
  size_t length = 0;
  int c = NextChar();
  for (; c != ',' && !EndsField(c); c = NextChar()) {
    if (length < sizeof(name) - 1) name[length++] = static_cast<char>(c);
  }
  for (const FlagName& known : kFlagNames) {
    if (std::strcmp(known.name, name) == 0) *flags |= known.flag;
  }
  return c;
}

// White space and backslashes are written as three octal digits.
long MountTable::ReadPlace(char* out) {
  size_t length = 0;
  for (int c = NextChar(); !EndsField(c); c = NextChar()) {
    if (length + 1 == PATH_MAX) return -ENAMETOOLONG;
    if (c == '\\') {
      int byte = 0;
      for (int digit = 0; digit < 3; ++digit) byte = byte * 8 + (NextChar() - '0');
      c = byte;
    }
    out[length++] = static_cast<char>(c);
  }
  out[length] = '\0';
  return 0;
}

long MountTable::Next(MountEntry* out) {
  out->id = 0;
  out->flags = 0;
  int c = NextChar();
  if (c == kEnd) return size_;
  for (; !EndsField(c); c = NextChar()) out->id = out->id * 10 + static_cast<uint64_t>(c - '0');
  // The parent, the device, and what of the file system is mounted.
  for (int field = 0; field < 3; ++field) SkipField();
  const long rc = ReadPlace(out->place);
  if (rc < 0) return rc;
  do c = ReadFlag(&out->flags);
  while (c == ',');
  while (c != '\n' && c != kEnd) c = SkipField();
  return size_ < 0 ? size_ : 1;
}

}  // namespace linx
