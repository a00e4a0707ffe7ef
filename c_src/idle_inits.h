// Inits whose session is over and that wait for another one, which they save a fork.
#ifndef LINX_IDLE_INITS_H_
#define LINX_IDLE_INITS_H_

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "offspring.h"
#include "unique_fd.h"

namespace linx {

struct IdleInit {
  Offspring process;
  UniqueFd control;  // its closing ends the init
};

class IdleInits {
 public:
  // An idle one takes some 40 kB of memory.
  static constexpr size_t kMax = 4;

  IdleInits() = default;
  IdleInits(const IdleInits&) = delete;
  ~IdleInits() { Clear(); }

  bool full() const { return inits_.size() >= kMax; }
  void Keep(IdleInit init) { inits_.push_back(std::move(init)); }
  // The one that worked last; none where none is there.
  std::optional<IdleInit> Take();
  bool Has(pid_t pid) const;
  // Reaps one that has died.
  void Bury(pid_t pid);
  // Kills and reaps them all.
  void Clear();
  // Kills and reaps one that was taken.
  static void End(const IdleInit& init);

 private:
  std::vector<IdleInit> inits_;
};

}  // namespace linx

#endif  // LINX_IDLE_INITS_H_
