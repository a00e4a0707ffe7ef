#include "proc_self.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "raw_syscall.h"

namespace linx {
namespace {

constexpr unsigned long kProcRootInode = 1;

long CheckRoot(long proc) {
  struct statfs fs = {};
  struct stat root = {};
  const char* const itself = "";
  long rc = raw::Call(SYS_fstatfs, proc, &fs);
  if (rc == 0) rc = raw::Call(SYS_newfstatat, proc, itself, &root, AT_EMPTY_PATH);
  if (rc < 0) return rc;
  return fs.f_type == PROC_SUPER_MAGIC && root.st_ino == kProcRootInode ? 0 : -ENODEV;
}

// The root of a procfs.
long OpenProc() {
  const long proc = raw::Call(SYS_openat, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (proc < 0) return proc == -ENOENT || proc == -ENOTDIR ? -ENODEV : proc;
  const long rc = CheckRoot(proc);
  if (rc == 0) return proc;
  raw::Call(SYS_close, proc);
  return rc;
}

long OpenBelow(long proc, const char* path, unsigned flags) {
  struct open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
  return raw::Call(SYS_openat2, proc, path, &how, sizeof(how));
}

long WriteBelow(long proc, const char* path, const char* text) {
  const long file = OpenBelow(proc, path, O_WRONLY);
  if (file < 0) return file;
  const long written = raw::Call(SYS_write, file, text, std::strlen(text));
  raw::Call(SYS_close, file);
  return written < 0 ? written : 0;
}

}  // namespace

long OpenProcSelf(const char* path, unsigned flags) {
  const long proc = OpenProc();
  if (proc < 0) return proc;
  const long file = OpenBelow(proc, path, flags);
  raw::Call(SYS_close, proc);
  return file;
}

long WriteProcSelf(const char* path, const char* text, bool become_dumpable) {
  const long proc = OpenProc();
  if (proc < 0) return proc;
  if (become_dumpable) raw::Call(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
  const long rc = WriteBelow(proc, path, text);
  if (become_dumpable) raw::Call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  raw::Call(SYS_close, proc);
  return rc;
}

}  // namespace linx
