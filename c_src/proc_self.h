// One's own files in /proc, for what runs before exec: no heap, no errno.
#ifndef LINX_PROC_SELF_H_
#define LINX_PROC_SELF_H_

namespace linx {

// What lies at /proc may have been laid by whoever made the mounts that the caller sees: the root
// of a procfs is the only /proc taken, and nothing mounted in it is followed, or else another file
// would be opened (-ENODEV, -EXDEV).

// An fd of a file or directory of /proc, close-on-exec and the caller's; or a negative errno.
long OpenProcSelf(const char* path, unsigned flags);

// Writes `text` to a file of /proc. With `become_dumpable` the caller is that while the file is
// opened: otherwise its files are root's. Returns 0 or a negative errno.
long WriteProcSelf(const char* path, const char* text, bool become_dumpable);

}  // namespace linx

#endif  // LINX_PROC_SELF_H_
