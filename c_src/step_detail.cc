#include "step_detail.h"

#include "capabilities.h"

namespace linx {

std::string DetailOf(const Plan& plan, Stage stage, int32_t element) {
  switch (stage) {
    case Stage::fds:
      return "fd " + std::to_string(element);
    case Stage::rlimits:
      return std::string(Name(static_cast<RlimitName>(element)));
    case Stage::time_offsets:
    case Stage::hostname:
    case Stage::domainname:
    case Stage::oom_score_adj:
      return DetailOf(plan.surroundings, stage);
    case Stage::propagation:
    case Stage::root:
    case Stage::mount:
    case Stage::pivot_root:
      return DetailOf(plan.mounts, stage, element);
    case Stage::cap_drop_bounding:
    case Stage::cap_set_ambient:
      return CapabilityName(element);
    case Stage::seccomp_install:
      return "filter " + std::to_string(element + 1);
    case Stage::landlock:
      return DetailOf(plan.landlock, element);
    case Stage::uid:
      return std::to_string(plan.uid.value_or(0));
    case Stage::gid:
      return std::to_string(plan.gid.value_or(0));
    case Stage::chdir:
      return plan.cwd.value_or("");
    case Stage::execve:
      return plan.path.value_or(plan.argv[0]);
    default:
      return {};
  }
}

}  // namespace linx
