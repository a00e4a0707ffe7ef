// Which processes outlive an agent that is killed: those of sessions whose orphan policy is to
// linger. The agent writes it, the guard reads it after the agent's death, so it lies in memory
// that both share.
#ifndef LINX_SPARE_TABLE_H_
#define LINX_SPARE_TABLE_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>

namespace linx {

class SpareTable {
 public:
  // A table in a new shared mapping; nullptr where memory is out. It is never unmapped.
  static SpareTable* Create();

  // False where the table is full.
  bool Add(pid_t pid);
  void Remove(pid_t pid);
  bool Has(pid_t pid) const;

 private:
  static constexpr size_t kSize = 4096;
  std::atomic<pid_t> pids_[kSize];
};

}  // namespace linx

#endif  // LINX_SPARE_TABLE_H_
