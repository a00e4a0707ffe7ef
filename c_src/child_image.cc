#include "child_image.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace linx {
namespace {

size_t StringsSize(const std::vector<std::string>& strings) {
  size_t size = (strings.size() + 1) * sizeof(char*);
  for (const std::string& text : strings) size += text.size() + 1;
  return size;
}

char* const* CopyStrings(const std::vector<std::string>& strings, Region* region) {
  char** list = region->TakeArray<char*>(strings.size() + 1);
  for (size_t i = 0; i < strings.size(); ++i) list[i] = region->Copy(strings[i]);
  list[strings.size()] = nullptr;
  return list;
}

ChildLimits CopyLimits(const Limits& limits, Region* region) {
  ChildLimits copy;
  copy.rlimits = region->Copy(limits.rlimits);
  copy.rlimit_count = limits.rlimits.size();
  copy.cpus = region->Copy(limits.cpus);
  copy.cpu_words = limits.cpus.size();
  copy.nice = limits.nice.value_or(0);
  copy.umask = limits.umask.value_or(0);
  copy.set_nice = limits.nice.has_value();
  copy.set_umask = limits.umask.has_value();
  return copy;
}

// Whether steps after proceed may need what the orders of a checkpoint take away; changes of ids
// count by themselves.
bool NeedsCapabilities(const Plan& plan) {
  const Surroundings& around = plan.surroundings;
  return plan.privileges.wanted() || plan.mounts.wanted() || !around.hostname.empty() ||
         !around.domainname.empty() || around.loopback || around.needs_own_memory();
}

}  // namespace

size_t ChildImageSize(const Plan& plan) {
  size_t size = sizeof(ChildPlan) + StringsSize(plan.argv) + 64;  // 64: for alignment
  if (plan.path) size += plan.path->size() + 1;
  if (plan.env) size += StringsSize(*plan.env);
  if (plan.cwd) size += plan.cwd->size() + 1;
  if (plan.title) size += plan.title->size() + 1;
  if (plan.groups) size += plan.groups->size() * sizeof(uint32_t);
  size += plan.fds.size() * sizeof(ChildFd);
  size += plan.limits.rlimits.size() * sizeof(Rlimit);
  size += plan.limits.cpus.size() * sizeof(uint64_t);
  size += SizeOf(plan.surroundings) + SizeOf(plan.mounts) + SizeOf(plan.landlock);
  return size;
}

ChildPlan* CopyPlan(const Plan& plan, Region* region) {
  auto* child = new (region->TakeArray<ChildPlan>(1)) ChildPlan();
  child->argv = CopyStrings(plan.argv, region);
  child->path = plan.path ? region->Copy(*plan.path) : child->argv[0];
  if (plan.title) {
    child->title = region->Copy(*plan.title);
    // It keeps no other directory busy.
    child->cwd = "/";
  }
  child->envp = plan.env ? CopyStrings(*plan.env, region) : environ;
  if (plan.cwd) child->cwd = region->Copy(*plan.cwd);
  if (plan.groups) {
    child->groups = region->Copy(*plan.groups);
    child->group_count = plan.groups->size();
  }
  child->fds = region->TakeArray<ChildFd>(plan.fds.size());
  child->fd_count = plan.fds.size();
  for (size_t i = 0; i < child->fd_count; ++i) child->fds[i] = {plan.fds[i].number, -1};
  child->limits = CopyLimits(plan.limits, region);
  child->surroundings = Copy(plan.surroundings, region);
  child->mounts = Copy(plan.mounts, (plan.namespaces & CLONE_NEWUSER) != 0, region);
  child->landlock = Copy(plan.landlock, region);
  child->set_uid = plan.uid.has_value();
  child->uid = plan.uid.value_or(0);
  child->set_gid = plan.gid.has_value();
  child->gid = plan.gid.value_or(0);
  // A new uid or gid never keeps the old supplementary groups.
  child->set_groups = plan.groups || plan.uid || plan.gid;
  child->groups_optional = !plan.groups;
  child->controlling_tty = plan.pty();
  child->check_cwd = plan.mode == Mode::enter || plan.mounts.wanted();
  child->no_new_privs = plan.no_new_privs;
  child->defers_caps = NeedsCapabilities(plan);
  child->auto_proceed = plan.auto_proceed;
  // Only parked, by the caller or for maps of the request: otherwise nobody has the time to write
  // maps, and what shares the agent's memory would make the agent dumpable.
  child->dumpable = plan.mode == Mode::spawn && !plan.auto_proceed &&
                    (plan.namespaces & CLONE_NEWUSER) != 0 && geteuid() != 0;
  // Nobody but the agent's own user can make use of that moment: of a container that is entered,
  // its root could.
  child->surroundings.become_dumpable =
      plan.mode == Mode::spawn && plan.surroundings.needs_own_memory() && geteuid() != 0;
  child->outlives_parent = plan.orphan_policy.linger && !plan.init;
  return child;
}

}  // namespace linx
