#include "spare_table.h"

#include <sys/mman.h>

namespace linx {

SpareTable* SpareTable::Create() {
  void* at =
      mmap(nullptr, sizeof(SpareTable), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // Zero pages are an empty table.
  return at == MAP_FAILED ? nullptr : static_cast<SpareTable*>(at);
}

bool SpareTable::Add(pid_t pid) {
  for (std::atomic<pid_t>& slot : pids_) {
    if (slot.load(std::memory_order_relaxed) != 0) continue;
    slot.store(pid, std::memory_order_release);
    return true;
  }
  return false;
}

void SpareTable::Remove(pid_t pid) {
  for (std::atomic<pid_t>& slot : pids_) {
    if (slot.load(std::memory_order_relaxed) != pid) continue;
    slot.store(0, std::memory_order_release);
    return;
  }
}

bool SpareTable::Has(pid_t pid) const {
  for (const std::atomic<pid_t>& slot : pids_) {
    if (slot.load(std::memory_order_acquire) == pid) return true;
  }
  return false;
}

}  // namespace linx
