// The cgroup of one session.
#ifndef LINX_LEAF_H_
#define LINX_LEAF_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace linx {

// Its directory, which is removed with it unless it is in use.
class Leaf {
 public:
  Leaf() = default;
  Leaf(Leaf&&) = default;
  Leaf& operator=(Leaf&&) = default;
  ~Leaf();

  // `path` is the parent's, for the details. Errors: cgroup_open; cgroup_mkdir: EACCES where the
  // caller may not make cgroups there, EEXIST. The detail is a path.
  static Result<Leaf> Make(const std::string& path, std::string name);

  // What CLONE_INTO_CGROUP takes.
  int fd() const { return directory_.get(); }
  int parent_fd() const { return parent_.get(); }
  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  // For polling: EPOLLPRI whenever populated() or frozen() has changed. -1 where no fd is left.
  int events_fd() const;

  // Moves a process in. Errors: cgroup_procs.
  Status Place(pid_t pid) const;
  // SIGKILL to all that is in it or below it, frozen or not.
  void Kill() const;
  void Freeze(bool frozen) const;
  // Whether a process is in it or below it; whether all of these are frozen.
  bool populated() const { return Has("populated 1"); }
  bool frozen() const { return Has("frozen 1"); }
  // CPU time of all that is or was in it or below it, in microseconds.
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
};

}  // namespace linx

#endif  // LINX_LEAF_H_
