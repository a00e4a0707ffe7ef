#include "kernel_features.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "close_fds.h"
#include "landlock.h"
#include "raw_syscall.h"
#include "sealed_self.h"

namespace linx {
namespace {

// A call with arguments that no kernel accepts: one that knows it says something else than ENOSYS.
bool Knows(long nr) { return raw::Call(nr, -1, 0, 0, 0, 0) != -ENOSYS; }

}  // namespace

std::vector<Feature> Features(Leaves& leaves) {
  std::vector<Feature> features;
  if (raw::Call(SYS_clone3, nullptr, 0) != -ENOSYS) features.push_back(Feature::clone3);
  if (Knows(SYS_pidfd_open)) features.push_back(Feature::pidfd);
  if (ClosesRanges()) features.push_back(Feature::close_range);
  // SECCOMP_GET_ACTION_AVAIL without an argument is EFAULT where seccomp filters are built in.
  if (raw::Call(SYS_seccomp, 2, 0, nullptr) == -EFAULT) features.push_back(Feature::seccomp);
  if (LandlockAbi() > 0) features.push_back(Feature::landlock);
  if (leaves.CanMake()) features.push_back(Feature::cgroup2);
  if (RunsSealed()) features.push_back(Feature::sealed_self);
  return features;
}

}  // namespace linx
