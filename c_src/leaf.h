// A cgroup of one session: its leaf in version 2, or one in a hierarchy of version 1.
#ifndef LINX_LEAF_H_
#define LINX_LEAF_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace linx {

enum class CgroupVersion : uint8_t { one, two };

// Its directory, which is removed with it unless it is in use.
class Leaf {
 public:
  Leaf() = default;
  Leaf(Leaf&&) = default;
  Leaf& operator=(Leaf&&) = default;
  ~Leaf();

  // `path` is the parent's, for the details. Errors: cgroup_open; cgroup_mkdir: EACCES where the
  // caller may not make cgroups there, EEXIST. The detail is a path.
  static Result<Leaf> Make(const std::string& path, std::string name,
                           CgroupVersion version = CgroupVersion::two);

  // What CLONE_INTO_CGROUP takes.
  int fd() const { return directory_.get(); }
  int parent_fd() const { return parent_.get(); }
  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  CgroupVersion version() const { return version_; }
  // For polling: EPOLLPRI whenever populated() or frozen() has changed. -1 where no fd is left, and
  // in version 1.
  int events_fd() const;

  // Moves a process in. Errors: cgroup_procs.
  Status Place(pid_t pid) const;
  // Whether Kill reaches all that is in it or below it, frozen or not, and populated() tells of
  // them: in version 2, since Linux 5.14. Otherwise it is those who were in it when that was looked
  // up, but not who is below it.
  bool kills_all() const { return kills_all_; }
  void Kill() const;
  // In version 1 only of use in the hierarchy of the freezer.
  void Freeze(bool frozen) const;
  bool populated() const;
  // Whether all of these are frozen; version 2.
  bool frozen() const { return Has("frozen 1"); }
  // CPU time of all that is or was in it or below it, in microseconds; version 2.
  uint64_t cpu_us() const;
  // Who is in it, but not who is below it.
  std::vector<pid_t> members() const;
  // It is removed already.
  void Forget() { parent_.Reset(); }

 private:
  bool Write(const char* file, const std::string& text) const;
  std::string Read(const char* file) const;
  bool Has(const char* event) const;

  UniqueFd parent_, directory_;
  mutable UniqueFd events_;  // opened when it is needed first
  std::string name_, path_;
  CgroupVersion version_ = CgroupVersion::two;
  bool kills_all_ = false;
};

}  // namespace linx

#endif  // LINX_LEAF_H_
