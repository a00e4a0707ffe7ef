#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "seccomp_rules.h"
#include "unique_fd.h"

namespace linx {

namespace {

// libseccomp's time grows faster than the square of what it compiles, and a loop waits for it. Up
// to these sizes it takes tens of milliseconds at the worst, and a few for a container's profile.
constexpr size_t kMaxConditions = 128;
constexpr size_t kMaxRulesOfSyscall = 32;
// Of rules with one condition each it takes a tenth of that. A :ne of 32 bits is 32 of them.
constexpr size_t kMaxSingleRulesOfSyscall = 96;

// libseccomp answers with negative errnos.
Error Failed(int code, std::string detail = {}) {
  return Error::Of(Stage::seccomp_install, code < 0 ? -code : code, std::move(detail));
}

Error Refused(const std::string& syscall, const char* why) {
  return Failed(EINVAL, syscall + ": " + why);
}

// The bits of an argument that a condition fixes, and to what.
struct FixedBits {
  uint64_t mask, value;
};

bool IsExact(const SeccompArg& arg) {
  return arg.op == SCMP_CMP_EQ || arg.op == SCMP_CMP_MASKED_EQ;
}

FixedBits BitsOf(const SeccompArg& arg) {
  return arg.op == SCMP_CMP_EQ ? FixedBits{UINT64_MAX, arg.a} : FixedBits{arg.a, arg.b};
}

bool IsExact(const SeccompRule& rule) {
  for (const SeccompArg& arg : rule.args) {
    if (!IsExact(arg)) return false;
  }
  return true;
}

// Whether no call can match both of two exact rules.
bool Disjoint(const SeccompRule& one, const SeccompRule& other) {
  for (const SeccompArg& x : one.args) {
    for (const SeccompArg& y : other.args) {
      const FixedBits a = BitsOf(x);
      const FixedBits b = BitsOf(y);
      if (x.index == y.index && ((a.value ^ b.value) & a.mask & b.mask) != 0) return true;
    }
  }
  return false;
}

// libseccomp never says which of two rules for the same call it keeps, and a pair of ordered
// comparisons of 64-bit values comes out wrong in 2.5 (`< 1 << 32` beside `< 1` lets 5 pass as no
// match). Both are refused here, so that a filter does what its rules say.
Status CheckPair(const SeccompRule& one, const SeccompRule& other) {
  if (one.args.empty() || other.args.empty()) {
    if (one.action == other.action) return {};
    return Refused(one.syscall, "an unconditional rule contradicts another rule");
  }
  if (!IsExact(one) || !IsExact(other)) {
    return Refused(one.syscall, "only :eq and :masked_eq where several rules name one syscall");
  }
  if (one.action == other.action || Disjoint(one, other)) return {};
  return Refused(one.syscall, "two rules with different actions match the same call");
}

using RulesOfSyscall = std::map<int, std::vector<const SeccompRule*>>;

Status CheckCount(const std::vector<const SeccompRule*>& rules) {
  bool single = true;
  for (const SeccompRule* rule : rules) single = single && rule->args.size() <= 1;
  if (rules.size() <= (single ? kMaxSingleRulesOfSyscall : kMaxRulesOfSyscall)) return {};
  return Refused(rules.front()->syscall, "at most 32 rules, or 96 of one condition each");
}

Status CheckRule(const SeccompRule& rule, std::vector<const SeccompRule*>* others) {
  for (const SeccompRule* other : *others) {
    if (Status status = CheckPair(*other, rule); !status.ok()) return status;
  }
  // A rule without conditions says all there is to say.
  if (!others->empty() && others->front()->args.empty()) return {};
  if (rule.args.empty()) others->clear();
  others->push_back(&rule);
  return CheckCount(*others);
}

Result<RulesOfSyscall> Resolve(const SeccompRules& rules) {
  RulesOfSyscall resolved;
  size_t conditions = 0;
  for (const SeccompRule& rule : rules.rules) {
    // Negative: unknown, or a call that only other architectures have.
    const int number = seccomp_syscall_resolve_name(rule.syscall.c_str());
    if (number < 0) return Failed(EINVAL, rule.syscall);
    conditions += rule.args.size();
    if (conditions > kMaxConditions) return Refused(rule.syscall, "at most 128 conditions in all");
    if (Status status = CheckRule(rule, &resolved[number]); !status.ok()) return status.error();
  }
  return resolved;
}

scmp_arg_cmp CompareOf(const SeccompArg& arg) {
  return {arg.index, static_cast<scmp_compare>(arg.op), arg.a, arg.b};
}

Status Add(scmp_filter_ctx filter, int number, const SeccompRule& rule) {
  std::vector<scmp_arg_cmp> compares;
  for (const SeccompArg& arg : rule.args) compares.push_back(CompareOf(arg));
  const int rc = seccomp_rule_add_array(filter, rule.action, number,
                                        static_cast<unsigned>(compares.size()), compares.data());
  if (rc != 0) return Failed(rc, rule.syscall);
  return {};
}

// The only architecture of the filter is the native one. For x86_64 libseccomp takes x32 calls for
// another architecture too.
int SetAttributes(scmp_filter_ctx filter) {
  int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // No rule is meant for -1, the number of a call that a tracer skips.
  if (rc == 0) rc = seccomp_attr_set(filter, SCMP_FLTATR_API_TSKIP, 0);
  // Only the child that installs the filter sets no_new_privs.
  if (rc == 0) rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
  // A tree over the numbers: a syscall is found in its logarithm.
  if (rc == 0) rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  return rc;
}

// No architecture has as many calls.
constexpr int kMaxNumber = 1023;
// What is no call of the native architecture: those of x32 begin here, and -1 is far above.
constexpr uint32_t kBeyond = 0x40000000;

// Of the calls that libseccomp knows the one with the highest number.
int NewestCall() {
  int number = kMaxNumber;
  for (; number >= 0; --number) {
    char* name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number);
    std::free(name);
    if (name != nullptr) break;
  }
  return number;
}

// What is to be put ahead of a filter that makes calls fail unless it knows them: a call that is
// newer than libseccomp fails as where there is no such call, at which programs turn to an older
// one. Container runtimes do the same.
std::string NewerCallsFail() {
  static const auto newest = static_cast<uint32_t>(NewestCall());
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kBeyond, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SCMP_ACT_ERRNO(ENOSYS)),
  };
  return std::string(reinterpret_cast<const char*>(program), sizeof(program));
}

bool MakesFail(SeccompAction action) {
  return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

Result<std::string> Export(scmp_filter_ctx filter, std::string head) {
  UniqueFd file(memfd_create("linx_filter", MFD_CLOEXEC));
  if (!file) return Error::Last(Stage::seccomp_install);
  if (const int rc = seccomp_export_bpf(filter, file.get()); rc != 0) return Failed(rc);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return Error::Last(Stage::seccomp_install);
  const auto size = static_cast<size_t>(info.st_size);
  if (head.size() + size > kMaxFilterInstructions * kFilterInstructionBytes) {
    return Failed(E2BIG, "more than 4096 instructions");
  }
  std::string bpf = std::move(head);
  bpf.resize(bpf.size() + size);
  const ssize_t n = pread(file.get(), bpf.data() + bpf.size() - size, size, 0);
  if (n < 0) return Error::Last(Stage::seccomp_install);
  if (static_cast<size_t>(n) != size) return Failed(EIO);
  return bpf;
}

}  // namespace

Result<std::string> CompileSeccomp(const SeccompRules& rules) {
  Result<RulesOfSyscall> resolved = Resolve(rules);
  if (!resolved.ok()) return resolved.error();
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(rules.default_action),
                                                                 seccomp_release);
  if (filter == nullptr) return Failed(ENOMEM);
  if (const int rc = SetAttributes(filter.get()); rc != 0) return Failed(rc);
  for (const auto& [number, same_syscall] : resolved.value()) {
    for (const SeccompRule* rule : same_syscall) {
      // libseccomp refuses a rule that says what happens anyway.
      if (rule->action == rules.default_action) continue;
      if (Status status = Add(filter.get(), number, *rule); !status.ok()) return status.error();
    }
  }
  return Export(filter.get(), MakesFail(rules.default_action) ? NewerCallsFail() : std::string());
}

}  // namespace linx
