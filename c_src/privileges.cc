#include "privileges.h"

#include <utility>

#include "capabilities.h"

namespace linx {
namespace {

std::optional<uint64_t>* SetOf(Value name, Privileges* out) {
  switch (name) {
    case Value::effective_:
      return &out->effective;
    case Value::permitted_:
      return &out->permitted;
    case Value::inheritable_:
      return &out->inheritable;
    case Value::bounding_:
      return &out->bounding;
    case Value::ambient_:
      return &out->ambient;
    default:
      return nullptr;
  }
}

bool ReadFilter(TermReader& reader, Privileges* out) {
  if (out->filters.size() == kMaxFilters) return false;
  std::string_view bpf;
  if (ReadFilterProgram(reader, &bpf)) {
    out->filters.emplace_back(SeccompInstall{std::string(bpf)});
    return true;
  }
  Result<SeccompRules> rules = ReadSeccompRules(reader);
  if (!rules.ok()) return false;
  out->filters.emplace_back(rules.Take());
  return true;
}

// Takes the orders one after another, up to the first that is refused.
class Orders {
 public:
  explicit Orders(Checkpoint* checkpoint) : checkpoint_(checkpoint) {}

  template <typename OneCommand>
  void Add(Stage stage, const OneCommand& command) {
    if (refused_) return;
    Checkpoint::Ordered ordered = checkpoint_->Take(command);
    if (auto* refusal = std::get_if<Refusal>(&ordered)) {
      refused_ = Error::Of(stage, refusal->code, refusal->detail);
    } else {
      records_.push_back(std::get<std::string>(std::move(ordered)));
    }
  }
  Result<std::vector<std::string>> Take() {
    if (refused_) return *refused_;
    return std::move(records_);
  }

 private:
  Checkpoint* checkpoint_;
  std::vector<std::string> records_;
  std::optional<Error> refused_;
};

}  // namespace

bool ReadCapabilities(TermReader& reader, Privileges* out) {
  size_t pairs;
  if (!reader.ReadMap(&pairs)) return false;
  for (size_t i = 0; i < pairs; ++i) {
    Value name;
    if (!reader.ReadName(&name)) return false;
    std::optional<uint64_t>* set = SetOf(name, out);
    if (set == nullptr || *set || !reader.ReadUint(&set->emplace())) return false;
  }
  return true;
}

bool ReadSecurebits(TermReader& reader, Privileges* out) {
  uint64_t& bits = out->securebits.emplace(0);
  return reader.ReadList([&bits](TermReader& element) {
    Securebit name;
    if (!element.ReadName(&name)) return false;
    bits |= Bit(name);
    return true;
  });
}

bool ReadSeccomp(TermReader& reader, Privileges* out) {
  return reader.ReadList([out](TermReader& element) { return ReadFilter(element, out); });
}

// Raising ambient needs the inheritable set, and that no securebit forbids it yet; setting
// securebits and dropping from the bounding set need CAP_SETPCAP, which the last order may take.
Result<std::vector<std::string>> OrdersOf(const Privileges& wanted, Checkpoint* checkpoint) {
  Orders orders(checkpoint);
  if (wanted.bounding) {
    // A capability that the kernel lacks shows in the order, which would drop none otherwise.
    const uint64_t unknown = *wanted.bounding & ~AllCapabilities();
    orders.Add(Stage::cap_drop_bounding,
               CapDropBounding{(AllCapabilities() & ~*wanted.bounding) | unknown});
  }
  if (wanted.inheritable) {
    orders.Add(Stage::cap_set_thread, CapSetSome{{}, {}, wanted.inheritable});
  }
  if (wanted.ambient) orders.Add(Stage::cap_set_ambient, CapSetAmbient{*wanted.ambient});
  if (wanted.securebits) orders.Add(Stage::securebits, SetSecurebits{*wanted.securebits});
  if (wanted.effective || wanted.permitted) {
    orders.Add(Stage::cap_set_thread, CapSetSome{wanted.effective, wanted.permitted, {}});
  }
  for (const auto& filter : wanted.filters) {
    std::visit([&orders](const auto& one) { orders.Add(Stage::seccomp_install, one); }, filter);
  }
  return orders.Take();
}

}  // namespace linx
