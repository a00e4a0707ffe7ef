// Requests and commands: any frame is a valid one or is refused, and no decoder reads outside it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "test_frames.h"
#include "waiting.h"

namespace linx {
namespace {

constexpr size_t kMaxInput = 1 << 20;

void Require(bool holds) {
  if (!holds) std::abort();
}

bool IsString(const std::string& bytes) { return bytes.find('\0') == bytes.npos; }

// What every plan promises.
void CheckPlan(const Plan& plan) {
  if (plan.waits()) {
    Require(plan.argv.empty() && IsString(*plan.title) && !plan.title->empty());
    Require(plan.title->size() <= kMaxTitle && !plan.path && !plan.env);
  } else {
    Require(plan.prefork ||
            (!plan.argv.empty() && (plan.path ? *plan.path : plan.argv[0])[0] == '/'));
  }
  Require(!plan.path || IsString(*plan.path));
  for (const std::string& argument : plan.argv) Require(IsString(argument));
  if (plan.env) {
    for (const std::string& entry : *plan.env) {
      const size_t name = entry.find('=');
      Require(IsString(entry) && name != entry.npos && name > 0);
    }
  }
  Require(!plan.cwd || IsString(*plan.cwd));
  for (const Stdio& stdio : plan.stdio) {
    Require(IsString(stdio.path));
    Require((stdio.kind == StdioKind::pty) == plan.pty());
  }
  Require(plan.uid != UINT32_MAX && plan.gid != UINT32_MAX);
  Require(plan.window != 0u && plan.drain_ms <= INT32_MAX);
  const std::string below = "/" + plan.cgroup.parent + "/";
  Require(IsString(below) && below.find("/../") == below.npos && below.find("/./") == below.npos);
  Require(below == "//" || below.find("//") == below.npos);
  for (const Rlimit& limit : plan.limits.rlimits) Require(limit.soft <= limit.hard);
  Require(plan.limits.rlimits.size() <= kRlimitCount && plan.limits.umask.value_or(0) <= 0777);
  for (const CgroupControl& control : plan.cgroup_controls.list) {
    Require(IsString(control.file) && control.file.find('/') == control.file.npos);
    Require(IsString(control.value) && !control.prefix().empty());
  }
  Require((plan.mode == Mode::enter) == (plan.target > 0 || plan.target_session.has_value()));
}

void ReadRequest(TermReader reader) {
  for (const Mode mode : {Mode::spawn, Mode::enter}) {
    TermReader copy = reader;
    const Result<Plan> plan = ReadPlan(mode, copy);
    if (plan.ok()) {
      CheckPlan(plan.value());
    } else {
      Require(plan.error().stage == Stage::malformed_request && !plan.error().detail.empty());
    }
  }
}

void ReadOneCommand(TermReader reader) {
  const std::variant<Command, CommandError> read = ReadCommand(reader);
  if (const auto* error = std::get_if<CommandError>(&read)) {
    Require(error->code == EINVAL && !error->refused_as.empty());
    return;
  }
  const Command& command = std::get<Command>(read);
  if (const auto* signal = std::get_if<Signal>(&command)) {
    Require(signal->number >= 1 && signal->number <= 64);
  }
  if (const auto* filter = std::get_if<SeccompInstall>(&command)) {
    Require(!filter->bpf.empty() && filter->bpf.size() % kFilterInstructionBytes == 0);
  }
}

// A head that is known by its first bytes is what the whole frame is.
void CheckStdinHead(std::string_view frame, bool envelope) {
  StdinHead head;
  if (!ReadStdinHead(frame, frame.size(), envelope, &head)) return;
  TermReader reader(frame);
  uint64_t id = 0;
  if (envelope && (!ReadEnvelope(reader, &id) || id != head.id)) {
    Require(head.id > kMaxSessionId);
    return;
  }
  const std::variant<Command, CommandError> read = ReadCommand(reader);
  Require(std::holds_alternative<Command>(read));
  const auto* input = std::get_if<StdinBytes>(&std::get<Command>(read));
  Require(input != nullptr && input->bytes == frame.substr(head.size) && reader.AtEnd());
}

void Run(std::string_view frame) {
  static test::GuardedMemory memory(kMaxInput);
  const std::string_view guarded = memory.Copy(frame);
  test::ReadEverything(guarded);
  TermReader reader(guarded);
  uint64_t id;
  for (const bool envelope : {false, true}) CheckStdinHead(guarded, envelope);
  ReadEnvelope(reader, &id);
  ReadOneCommand(reader);
  CommandName name;
  if (reader.ReadTupleOf(2) && reader.ReadName(&name)) ReadRequest(reader);
}

}  // namespace
}  // namespace linx

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= linx::kMaxInput) linx::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
