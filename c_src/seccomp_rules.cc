#include "seccomp_rules.h"

#include <seccomp.h>

#include <bitset>
#include <cerrno>
#include <utility>

namespace linx {

namespace {

constexpr uint64_t kMaxErrno = 4094;  // the kernel's is 4095, libseccomp stops short of it
constexpr unsigned kMaxArgIndex = 5;
constexpr size_t kMaxName = 64;
constexpr size_t kMaxRules = 1024;

Error Malformed(std::string detail) {
  return Error::Of(Stage::seccomp_install, EINVAL, std::move(detail));
}

Error MalformedRule(size_t position, const char* why) {
  return Malformed("rule " + std::to_string(position) + ": " + why);
}

bool ReadAction(TermReader& reader, SeccompAction* out) {
  Value word;
  if (!reader.ReadName(&word)) {
    uint64_t number;
    if (!reader.ReadTupleOf(2) || !reader.ReadName(&word) || word != Value::errno_) return false;
    if (!reader.ReadUint(kMaxErrno, &number) || number == 0) return false;
    *out = SCMP_ACT_ERRNO(static_cast<uint32_t>(number));
    return true;
  }
  switch (word) {
    case Value::allow_:
      *out = SCMP_ACT_ALLOW;
      return true;
    case Value::kill_process_:
      *out = SCMP_ACT_KILL_PROCESS;
      return true;
    case Value::kill_thread_:
      *out = SCMP_ACT_KILL_THREAD;
      return true;
    case Value::trap_:
      *out = SCMP_ACT_TRAP;
      return true;
    case Value::log_:
      *out = SCMP_ACT_LOG;
      return true;
    case Value::notify_:
      *out = SCMP_ACT_NOTIFY;
      return true;
    default:
      return false;
  }
}

bool ReadOperator(TermReader& reader, int* out) {
  Value word;
  if (!reader.ReadName(&word)) return false;
  switch (word) {
    case Value::eq_:
      *out = SCMP_CMP_EQ;
      return true;
    case Value::ne_:
      *out = SCMP_CMP_NE;
      return true;
    case Value::lt_:
      *out = SCMP_CMP_LT;
      return true;
    case Value::le_:
      *out = SCMP_CMP_LE;
      return true;
    case Value::gt_:
      *out = SCMP_CMP_GT;
      return true;
    case Value::ge_:
      *out = SCMP_CMP_GE;
      return true;
    case Value::masked_eq_:
      *out = SCMP_CMP_MASKED_EQ;
      return true;
    default:
      return false;
  }
}

bool ReadArg(TermReader& reader, SeccompArg* out) {
  size_t arity;
  uint64_t index;
  if (!reader.ReadTuple(&arity) || !reader.ReadUint(kMaxArgIndex, &index)) return false;
  if (!ReadOperator(reader, &out->op)) return false;
  out->index = static_cast<unsigned>(index);
  out->b = 0;
  const bool masked = out->op == SCMP_CMP_MASKED_EQ;
  if (arity != (masked ? 4 : 3) || !reader.ReadUint(&out->a)) return false;
  // libseccomp would ignore a value's bits outside the mask, and match what never can.
  return !masked || (reader.ReadUint(&out->b) && (out->b & ~out->a) == 0);
}

bool ReadArgs(TermReader& reader, std::vector<SeccompArg>* out) {
  std::bitset<kMaxArgIndex + 1> seen;
  return reader.ReadList([&](TermReader& element) {
    SeccompArg arg;
    // A rule compares each argument once: libseccomp holds one condition for each.
    if (!ReadArg(element, &arg) || seen.test(arg.index)) return false;
    seen.set(arg.index);
    out->push_back(arg);
    return true;
  });
}

// The reason, or nullptr.
const char* ReadRule(TermReader& reader, SeccompRule* out) {
  std::string_view name;
  if (!reader.ReadTupleOf(3)) return "expected {action, name, args}";
  if (!ReadAction(reader, &out->action)) {
    return "expected :allow, :kill_process, :kill_thread, :trap, :log, :notify or "
           "{:errno, 1..4094}";
  }
  if (!reader.ReadBinary(&name) || name.empty() || name.size() > kMaxName ||
      name.find('\0') != name.npos) {
    return "expected a syscall's name, a binary";
  }
  out->syscall.assign(name);
  if (ReadArgs(reader, &out->args)) return nullptr;
  return "expected a list of {0..5, :eq | :ne | :lt | :le | :gt | :ge, value} and {0..5, "
         ":masked_eq, mask, value within the mask}, each argument once";
}

Status ReadRules(TermReader& reader, std::vector<SeccompRule>* out) {
  const char* why = nullptr;
  const bool list = reader.ReadList([&](TermReader& element) {
    if (out->size() == kMaxRules) {
      why = "at most 1024 rules";
      return false;
    }
    why = ReadRule(element, &out->emplace_back());
    return why == nullptr;
  });
  if (why != nullptr) return MalformedRule(out->size(), why);
  if (!list) return Malformed("rules: expected a list");
  return {};
}

}  // namespace

bool ReadFilterProgram(TermReader& reader, std::string_view* bpf) {
  constexpr size_t kMost = kMaxFilterInstructions * kFilterInstructionBytes;
  return reader.ReadBinary(bpf) && !bpf->empty() && bpf->size() <= kMost &&
         bpf->size() % kFilterInstructionBytes == 0;
}

Result<SeccompRules> ReadSeccompRules(TermReader& reader) {
  SeccompRules rules{};
  size_t pairs;
  bool has_default = false;
  bool has_rules = false;
  if (!reader.ReadMap(&pairs)) return Malformed("expected a map");
  for (size_t i = 0; i < pairs; ++i) {
    Value key;
    const bool known = reader.ReadName(&key);
    if (known && key == Value::default_) {
      if (has_default) return Malformed("default: given twice");
      has_default = true;
      // Whoever is asked about every call is asked about the exec, too.
      if (!ReadAction(reader, &rules.default_action) || rules.default_action == SCMP_ACT_NOTIFY) {
        return Malformed("default: expected an action, not :notify");
      }
    } else if (known && key == Value::rules_) {
      if (has_rules) return Malformed("rules: given twice");
      has_rules = true;
      if (Status status = ReadRules(reader, &rules.rules); !status.ok()) return status.error();
    } else {
      if (!known) reader.Skip();
      reader.Skip();
    }
  }
  if (!has_default) return Malformed("default: required");
  if (!has_rules) return Malformed("rules: required");
  return rules;
}

}  // namespace linx
