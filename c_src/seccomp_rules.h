// Seccomp rules by name, compiled by libseccomp for the native architecture.
#ifndef LINX_SECCOMP_RULES_H_
#define LINX_SECCOMP_RULES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"
#include "term_reader.h"

namespace linx {

// What the kernel takes for one filter.
constexpr size_t kFilterInstructionBytes = 8;
constexpr size_t kMaxFilterInstructions = 4096;

// What a filter does with a call. `action` is libseccomp's SCMP_ACT_* word, errno included.
using SeccompAction = uint32_t;

// One condition on a syscall's argument; all 64 bits are compared. `op` is libseccomp's
// scmp_compare.
//
// Where the kernel looks at 32 bits only (an ioctl's command, a socket's family) a rule that denies
// is masked_eq with 0xffffffff: a caller may set any bit above, which would get it past eq.
struct SeccompArg {
  unsigned index;  // 0..5
  int op;
  uint64_t a, b;  // masked_eq: a is the mask, b the value within it; otherwise a is the value
};

struct SeccompRule {
  SeccompAction action;
  std::string syscall;
  std::vector<SeccompArg> args;
};

struct SeccompRules {
  SeccompAction default_action;
  std::vector<SeccompRule> rules;
};

// Reads `%{default: action, rules: [{action, name, [arg]}]}`, at most 1024 rules. All conditions of
// a rule must hold, each on another argument. Errors: EINVAL, detail says where.
Result<SeccompRules> ReadSeccompRules(TermReader& reader);

// Reads a binary of cBPF: 1..4096 instructions of 8 bytes, whatever they are.
bool ReadFilterProgram(TermReader& reader, std::string_view* bpf);

// cBPF, 8 bytes an instruction. Calls of a foreign architecture and of x32 kill the process. The
// order of the rules means nothing: what would make it matter is refused.
//
// Where the default is an errno, a call whose number is above all that libseccomp knows fails with
// ENOSYS: no rule can name it, and programs that find no such call do without.
//
// Errors: stage seccomp_install. EINVAL, the detail beginning with a syscall's name: the name alone
// where this architecture lacks it; rules of it contradict each other (different actions for the
// same call); several rules of it compare by other than eq and masked_eq; it has more than 32
// rules, or 96 if each has one condition; or the conditions pass 128 in all. E2BIG for more than
// 4096 instructions. It takes milliseconds for a container's profile, and stays under some 200 for
// any rules.
Result<std::string> CompileSeccomp(const SeccompRules& rules);

}  // namespace linx

#endif  // LINX_SECCOMP_RULES_H_
