// Children that are there before the spawns which need them.
#ifndef LINX_STANDBYS_H_
#define LINX_STANDBYS_H_

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "child.h"
#include "offspring.h"
#include "unique_fd.h"

namespace linx {

// One that was taken. It runs in its nursery's memory until it has exec'd or died.
struct Standby {
  Offspring process;
  UniqueFd channel;
  pid_t nursery = 0;
};

// The agent's nurseries (nursery.h). In each a child waits, or runs for a session, or none does.
class Standbys {
 public:
  // One takes some 40 kB of memory.
  static constexpr size_t kMax = 4;
  // Of those that lend nobody their memory.
  static constexpr size_t kMaxIdle = 2;

  Standbys() = default;
  Standbys(const Standbys&) = delete;
  ~Standbys();

  // A child that waits for its plan, and takes it at `base`. None where none does yet.
  std::optional<Standby> Take(const char* base);
  // The child that was taken from it has exec'd or died. A nursery that is `spent` goes, too.
  void Return(pid_t nursery, bool spent);

  // Whether Tend has anything to do.
  bool due() const { return due_; }
  // Has a child made for the next Take, where none waits, and plans wiped that are not needed any
  // more. It is for the end of a turn, when all that others wait for is done. `image` is where
  // plans are taken.
  void Tend(const PlanImage& image);

  bool Has(pid_t pid) const;
  // Reaps a nursery that has died.
  void Bury(pid_t pid);

 private:
  struct Nursery {
    Offspring process;
    UniqueFd control;
    UniqueFd channel;            // to the child that waits or is being made
    const char* base = nullptr;  // where its children take plans
    bool lent = false;
    bool used = false;  // the last child's plan is still in its memory
  };
  using Nurseries = std::vector<Nursery>;

  Nurseries::iterator Find(pid_t pid);
  Nurseries::iterator End(Nurseries::iterator nursery);
  void Prepare(const PlanImage& image);
  bool Make(const PlanImage& image);
  bool Order(Nursery* nursery);
  static bool Say(Nursery* nursery, int fd);

  Nurseries nurseries_;
  bool due_ = false;
  bool useless_ = false;  // one could not make a child: there will be no more
};

}  // namespace linx

#endif  // LINX_STANDBYS_H_
