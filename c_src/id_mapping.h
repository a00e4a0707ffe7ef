// Writing the id maps of a fresh user namespace, while the child that lives there is parked.
#ifndef LINX_ID_MAPPING_H_
#define LINX_ID_MAPPING_H_

#include <sys/types.h>

#include <deque>
#include <memory>
#include <string>

#include "id_maps.h"
#include "map_program.h"
#include "result.h"
#include "unique_fd.h"
#include "workload.h"

namespace linx {

// The files are reached through a directory of /proc that is known to be the child's: once the
// child is reaped all fails with ESRCH, whoever has its pid then. The one exception is a
// newuidmap(1) older than shadow 4.14, which takes a pid alone, and checks itself that its user
// owns the process.
class IdMapping {
 public:
  // `on_end` is called once, always last: it may delete the IdMapping.
  IdMapping(WorkloadContext context, Handler on_end) : context_(context), on_end_(on_end) {}

  // setgroups, then the gids, then the uids. Where the kernel wants setgroups denied for the gids
  // of an ordinary user, and the maps do not say, it is denied. May call `on_end` at once.
  void Start(const IdMaps& maps, int pidfd, pid_t pid);
  // Whether a program is under way, whose end is still to come.
  bool busy() const { return program_ != nullptr; }
  // Kills it.
  void Stop() { program_->Stop(); }

  // Good once it has ended. Errors: setgroups, gid_map and uid_map, with the text that was refused
  // or what a program said.
  const Status& outcome() const { return outcome_; }

 private:
  // Of one file of /proc/PID, whose name is that of its stage.
  struct Write {
    Stage stage;
    std::string text;
    const char* program = nullptr;  // none: we write it
  };

  void ListWrites(const IdMaps& maps);
  void Go();
  void Run(const Write& write, bool by_pid);
  void OnProgramEnd();

  WorkloadContext context_;
  const Handler on_end_;
  UniqueFd directory_;
  pid_t pid_ = 0;
  std::deque<Write> writes_;
  std::unique_ptr<MapProgram> program_;
  bool by_pid_ = false;
  Status outcome_;
};

}  // namespace linx

#endif  // LINX_ID_MAPPING_H_
