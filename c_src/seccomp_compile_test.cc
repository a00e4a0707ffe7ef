#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "seccomp_rules.h"

namespace linx {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
const uint32_t kNative = seccomp_arch_native();

// What the kernel would answer: the few instructions that libseccomp uses.
uint32_t Run(const std::string& bpf, const seccomp_data& call) {
  std::vector<sock_filter> program(bpf.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bpf.data(), bpf.size());
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& i = program[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&a, reinterpret_cast<const char*>(&call) + i.k, sizeof a);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        FAIL("instruction " << i.code);
    }
  }
  FAIL("the program has no end");
  return 0;
}

bool Holds(const SeccompArg& arg, uint64_t value) {
  switch (arg.op) {
    case SCMP_CMP_EQ:
      return value == arg.a;
    case SCMP_CMP_NE:
      return value != arg.a;
    case SCMP_CMP_LT:
      return value < arg.a;
    case SCMP_CMP_LE:
      return value <= arg.a;
    case SCMP_CMP_GT:
      return value > arg.a;
    case SCMP_CMP_GE:
      return value >= arg.a;
    default:
      return (value & arg.a) == arg.b;
  }
}

int NewestKnown() {
  int newest = 0;
  for (int number = 0; number < 1024; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(kNative, number);
    if (name != nullptr) newest = number;
    std::free(name);
  }
  return newest;
}

bool IsNewer(int number) {
  static const int newest = NewestKnown();
  return number > newest && static_cast<uint32_t>(number) < kX32Bit;
}

// What rules mean.
uint32_t Meaning(const SeccompRules& rules, const seccomp_data& call) {
  if (call.arch != kNative) return SCMP_ACT_KILL_PROCESS;
  // -1 is what a tracer makes of a call that it skips: no call of any architecture.
  if (kNative == SCMP_ARCH_X86_64 && static_cast<uint32_t>(call.nr) >= kX32Bit && call.nr != -1) {
    return SCMP_ACT_KILL_PROCESS;
  }
  for (const SeccompRule& rule : rules.rules) {
    bool holds = seccomp_syscall_resolve_name(rule.syscall.c_str()) == call.nr;
    for (const SeccompArg& arg : rule.args) holds = holds && Holds(arg, call.args[arg.index]);
    if (holds) return rule.action;
  }
  const bool fails = (rules.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  return fails && IsNewer(call.nr) ? SCMP_ACT_ERRNO(ENOSYS) : rules.default_action;
}

// Values on both sides of the words that a 64-bit comparison is made of.
class Values {
 public:
  explicit Values(unsigned seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }
  uint64_t Number() {
    static constexpr uint64_t kNumbers[] = {
        0,           1,           2,           5,           0xffffffff,
        0x100000000, 0x100000001, 0x100000005, 0x500000000, 0x8000000000000000,
        UINT64_MAX};
    return kNumbers[Below(sizeof kNumbers / sizeof *kNumbers)];
  }
  uint32_t Action() {
    static constexpr uint32_t kActions[] = {SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS, SCMP_ACT_LOG,
                                            SCMP_ACT_ERRNO(1), SCMP_ACT_ERRNO(4094)};
    return kActions[Below(sizeof kActions / sizeof *kActions)];
  }
  const char* Syscall() {
    static constexpr const char* kSyscalls[] = {"read",   "ioctl",      "socket", "clone",
                                                "openat", "prctl",      "mmap",   "futex",
                                                "execve", "personality"};
    return kSyscalls[Below(sizeof kSyscalls / sizeof *kSyscalls)];
  }

  SeccompRule Rule(bool exact) {
    SeccompRule rule{Action(), Syscall(), {}};
    for (unsigned index = 0; index < 6; ++index) {
      if (Below(3) > 0) continue;
      SeccompArg arg{index, SCMP_CMP_EQ, Number(), 0};
      if (!exact) arg.op = static_cast<int>(SCMP_CMP_NE + Below(7));
      if (exact && Below(2) == 0) arg.op = SCMP_CMP_MASKED_EQ;
      if (arg.op == SCMP_CMP_MASKED_EQ) arg.b = Number() & arg.a;
      rule.args.push_back(arg);
    }
    return rule;
  }

  seccomp_data Call() {
    seccomp_data call{};
    call.arch = Below(20) > 0 ? kNative : static_cast<uint32_t>(AUDIT_ARCH_I386);
    call.nr = seccomp_syscall_resolve_name(Syscall());
    if (Below(20) == 0) call.nr = static_cast<int>(400 + Below(200));
    if (Below(20) == 0) call.nr = static_cast<int>(static_cast<uint32_t>(call.nr) | kX32Bit);
    if (Below(50) == 0) call.nr = -1;
    for (auto& arg : call.args) arg = Number();
    return call;
  }

 private:
  std::mt19937 random_;
};

TEST_CASE("a filter does what its rules say, whatever the rules, or is refused") {
  Values values(7);
  int compiled = 0;
  for (int i = 0; i < 3000; ++i) {
    SeccompRules rules{values.Action(), {}};
    for (size_t n = 1 + values.Below(12); n > 0; --n) {
      rules.rules.push_back(values.Rule(values.Below(4) > 0));
    }
    const Result<std::string> bpf = CompileSeccomp(rules);
    if (!bpf.ok()) {
      CHECK(bpf.error().code == EINVAL);
      continue;
    }
    ++compiled;
    for (int calls = 0; calls < 100; ++calls) {
      const seccomp_data call = values.Call();
      CAPTURE(call.nr);
      REQUIRE(Run(bpf.value(), call) == Meaning(rules, call));
    }
  }
  CHECK(compiled > 300);
}

SeccompRule Rule(SeccompAction action, const char* syscall, std::vector<SeccompArg> args = {}) {
  return {action, syscall, std::move(args)};
}

// The detail of a refusal, which is empty where there is none.
std::string Refusal(std::vector<SeccompRule> rules) {
  const Result<std::string> bpf = CompileSeccomp({SCMP_ACT_ALLOW, std::move(rules)});
  if (bpf.ok()) return {};
  CHECK(bpf.error().stage == Stage::seccomp_install);
  CHECK(bpf.error().code == EINVAL);
  return bpf.error().detail;
}

constexpr SeccompAction kEperm = SCMP_ACT_ERRNO(1);
constexpr SeccompAction kEnosys = SCMP_ACT_ERRNO(38);

SeccompArg Compare(unsigned index, int op, uint64_t value, uint64_t masked = 0) {
  return {index, op, value, masked};
}

TEST_CASE("a name that this architecture lacks is the refusal's detail") {
  CHECK(Refusal({Rule(kEperm, "read"), Rule(kEperm, "no_such_call")}) == "no_such_call");
  CHECK(Refusal({Rule(kEperm, "socketcall")}) == "socketcall");
}

TEST_CASE("rules that contradict each other are refused by name") {
  const SeccompArg one = Compare(0, SCMP_CMP_EQ, 1);
  const SeccompArg two = Compare(0, SCMP_CMP_EQ, 2);
  const SeccompArg other = Compare(1, SCMP_CMP_EQ, 1);
  const auto named = [](const std::string& detail) { return detail.rfind("ioctl: ", 0) == 0; };
  CHECK(named(Refusal({Rule(kEperm, "ioctl"), Rule(kEnosys, "ioctl")})));
  CHECK(named(Refusal({Rule(kEperm, "ioctl"), Rule(kEnosys, "ioctl", {one})})));
  CHECK(named(Refusal({Rule(kEperm, "ioctl", {one}), Rule(kEnosys, "ioctl")})));
  CHECK(named(Refusal({Rule(kEperm, "ioctl", {one}), Rule(kEnosys, "ioctl", {other})})));
  CHECK(named(Refusal({Rule(SCMP_ACT_ALLOW, "ioctl"), Rule(kEperm, "ioctl", {one})})));
  CHECK(Refusal({Rule(kEperm, "ioctl", {one}), Rule(kEnosys, "ioctl", {two})}).empty());
  CHECK(Refusal({Rule(kEperm, "ioctl", {one}), Rule(kEperm, "ioctl", {other})}).empty());
  CHECK(Refusal({Rule(kEperm, "ioctl"), Rule(kEperm, "ioctl"), Rule(kEperm, "ioctl", {one})})
            .empty());
}

TEST_CASE("what libseccomp compiles wrong or takes too long for is refused") {
  const SeccompArg small = Compare(0, SCMP_CMP_LT, 1);
  const SeccompArg large = Compare(0, SCMP_CMP_LT, uint64_t{1} << 32);
  CHECK(Refusal({Rule(kEperm, "ioctl", {large})}).empty());
  CHECK(Refusal({Rule(kEperm, "ioctl", {large}), Rule(kEperm, "ioctl", {small})}) ==
        "ioctl: only :eq and :masked_eq where several rules name one syscall");
  const std::string many = "ioctl: at most 32 rules, or 96 of one condition each";
  std::vector<SeccompRule> rules;
  for (uint64_t i = 0; i < 96; ++i) {
    rules.push_back(Rule(kEperm, "ioctl", {Compare(1, SCMP_CMP_EQ, i << 32)}));
  }
  CHECK(Refusal(rules).empty());
  rules.push_back(Rule(kEperm, "ioctl", {Compare(1, SCMP_CMP_EQ, 1)}));
  CHECK(Refusal(rules) == many);
  rules.resize(31);
  rules.push_back(Rule(kEperm, "ioctl", {Compare(1, SCMP_CMP_EQ, 1), Compare(2, SCMP_CMP_EQ, 1)}));
  CHECK(Refusal(rules).empty());
  rules.push_back(Rule(kEperm, "ioctl", {Compare(1, SCMP_CMP_EQ, 2)}));
  CHECK(Refusal(rules) == many);
  rules.pop_back();
  for (const char* syscall : {"read", "write", "close", "mmap"}) {
    for (uint64_t i = 0; i < 25; ++i) {
      rules.push_back(Rule(kEperm, syscall, {Compare(1, SCMP_CMP_EQ, i)}));
    }
  }
  CHECK(Refusal(rules) == "mmap: at most 128 conditions in all");
}

TEST_CASE("a rule that says what happens anyway is left out") {
  CHECK(Refusal({Rule(SCMP_ACT_ALLOW, "read"),
                 Rule(SCMP_ACT_ALLOW, "ioctl", {Compare(1, SCMP_CMP_EQ, 1)})})
            .empty());
}

}  // namespace
}  // namespace linx
