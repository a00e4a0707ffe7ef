// Going through the processes of a session, a few files of /proc at a time, so that a large tree
// holds up nobody else.
#ifndef LINX_TREE_WALK_H_
#define LINX_TREE_WALK_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "proc_stat.h"
#include "unique_fd.h"

namespace linx {

// Who is at the top of a tree: a process that is not reaped meanwhile, so that its number stays its
// own.
struct TreeRoot {
  pid_t pid = 0;
  bool keeper = false;  // an init or the guard of one: of the agent's, not the workload's
};

class TreeWalk {
 public:
  struct Found {
    pid_t pid = 0;
    UniqueFd dir;  // its directory in /proc, which stands for it as a pidfd does
    ProcStat stat;
    bool keeper = false;
  };
  enum class Step : uint8_t {
    found,   // `*out` is the next process
    looked,  // a file was looked at and there is more to do
    over,    // all have been found
  };

  // No more than this many are found: a tree that grows faster than it is walked has no end.
  static constexpr size_t kMaxProcesses = 1 << 16;

  // `proc_fd` is a directory fd of a proc file system that numbers processes as `root` does.
  TreeWalk(int proc_fd, TreeRoot root);

  // Lets it also find these and who is below them.
  void Add(const std::vector<pid_t>& pids);

  // Looks at one file or two. A process is found before its children, and once; what forks behind
  // the walk's back, and what the death of its parent has brought elsewhere, may be missed.
  Step Next(Found* out);

 private:
  // What is still to be looked at: a process, the list of its threads, the children of a thread. A
  // list is read from `offset` on.
  struct Item {
    enum class Kind : uint8_t { process, threads, children };
    Kind kind;
    bool keeper;
    pid_t pid;
    pid_t other;  // process: its parent; children: the thread
    int64_t offset;
  };

  Step Visit(const Item& item, Found* out);
  void ListThreads(Item item);
  void ListChildren(Item item);

  int proc_fd_;
  TreeRoot root_;
  std::vector<Item> items_;
  std::unordered_set<pid_t> found_;
};

}  // namespace linx

#endif  // LINX_TREE_WALK_H_
