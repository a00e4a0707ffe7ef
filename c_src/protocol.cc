#include "protocol.h"

#include <linux/sched.h>
#include <sys/resource.h>

namespace linx {

namespace {

constexpr std::string_view kCommands[] = {
#define LINX_COMMAND(name) #name,
#include "protocol.def"
};
constexpr std::string_view kEvents[] = {
#define LINX_EVENT(name) #name,
#include "protocol.def"
};
constexpr std::string_view kStages[] = {
#define LINX_STAGE(name) #name,
#include "protocol.def"
};
constexpr std::string_view kKeys[] = {
#define LINX_KEY(name) #name,
#include "protocol.def"
};
constexpr std::string_view kValues[] = {
#define LINX_VALUE(name) #name,
#include "protocol.def"
};
constexpr std::string_view kFields[] = {
#define LINX_FIELD(name) #name,
#include "protocol.def"
};
constexpr std::string_view kFeatures[] = {
#define LINX_FEATURE(name) #name,
#include "protocol.def"
};
constexpr std::string_view kNamespaces[] = {
#define LINX_NAMESPACE(name, clone_flag) #name,
#include "protocol.def"
};
constexpr uint64_t kCloneFlags[] = {
#define LINX_NAMESPACE(name, clone_flag) clone_flag,
#include "protocol.def"
};
constexpr std::string_view kRlimits[] = {
#define LINX_RLIMIT(name, resource) #name,
#include "protocol.def"
};
constexpr std::string_view kControllers[] = {
#define LINX_CONTROLLER(name) #name,
#include "protocol.def"
};
constexpr int kResources[] = {
#define LINX_RLIMIT(name, resource) resource,
#include "protocol.def"
};

constexpr std::string_view kSecurebits[] = {
#define LINX_SECUREBIT(name, bit) #name,
#include "protocol.def"
};
constexpr int kSecurebitNumbers[] = {
#define LINX_SECUREBIT(name, bit) bit,
#include "protocol.def"
};
constexpr std::string_view kFsRights[] = {
#define LINX_FSRIGHT(name, abi) #name,
#include "protocol.def"
};
constexpr int kFsRightAbis[] = {
#define LINX_FSRIGHT(name, abi) abi,
#include "protocol.def"
};
constexpr std::string_view kNetRights[] = {
#define LINX_NETRIGHT(name, abi) #name,
#include "protocol.def"
};
constexpr int kNetRightAbis[] = {
#define LINX_NETRIGHT(name, abi) abi,
#include "protocol.def"
};
constexpr std::string_view kScopes[] = {
#define LINX_SCOPE(name, abi) #name,
#include "protocol.def"
};
constexpr int kScopeAbis[] = {
#define LINX_SCOPE(name, abi) abi,
#include "protocol.def"
};

template <typename Enumerator, size_t kCount>
bool FindIn(const std::string_view (&names)[kCount], std::string_view name, Enumerator* out) {
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) {
      *out = static_cast<Enumerator>(i);
      return true;
    }
  }
  return false;
}

}  // namespace

std::string_view Name(CommandName name) { return kCommands[static_cast<size_t>(name)]; }
std::string_view Name(Event event) { return kEvents[static_cast<size_t>(event)]; }
std::string_view Name(Stage stage) { return kStages[static_cast<size_t>(stage)]; }
std::string_view Name(Key key) { return kKeys[static_cast<size_t>(key)]; }
std::string_view Name(Value value) { return kValues[static_cast<size_t>(value)]; }
std::string_view Name(Field field) { return kFields[static_cast<size_t>(field)]; }
std::string_view Name(Feature feature) { return kFeatures[static_cast<size_t>(feature)]; }
std::string_view Name(Namespace ns) { return kNamespaces[static_cast<size_t>(ns)]; }
std::string_view Name(RlimitName name) { return kRlimits[static_cast<size_t>(name)]; }
std::string_view Name(Controller name) { return kControllers[static_cast<size_t>(name)]; }
std::string_view Name(FsRight right) { return kFsRights[static_cast<size_t>(right)]; }
std::string_view Name(NetRight right) { return kNetRights[static_cast<size_t>(right)]; }
std::string_view Name(Scope scope) { return kScopes[static_cast<size_t>(scope)]; }

bool Find(std::string_view name, CommandName* out) { return FindIn(kCommands, name, out); }
bool Find(std::string_view name, Key* out) { return FindIn(kKeys, name, out); }
bool Find(std::string_view name, Value* out) { return FindIn(kValues, name, out); }
bool Find(std::string_view name, Namespace* out) { return FindIn(kNamespaces, name, out); }
bool Find(std::string_view name, RlimitName* out) { return FindIn(kRlimits, name, out); }
bool Find(std::string_view name, Controller* out) { return FindIn(kControllers, name, out); }
bool Find(std::string_view name, Securebit* out) { return FindIn(kSecurebits, name, out); }
bool Find(std::string_view name, FsRight* out) { return FindIn(kFsRights, name, out); }
bool Find(std::string_view name, NetRight* out) { return FindIn(kNetRights, name, out); }
bool Find(std::string_view name, Scope* out) { return FindIn(kScopes, name, out); }

uint64_t CloneFlag(Namespace ns) { return kCloneFlags[static_cast<size_t>(ns)]; }

int Resource(RlimitName name) { return kResources[static_cast<size_t>(name)]; }

uint64_t Bit(Securebit bit) { return uint64_t{1} << kSecurebitNumbers[static_cast<size_t>(bit)]; }

int LandlockAbiOf(FsRight right) { return kFsRightAbis[static_cast<size_t>(right)]; }
int LandlockAbiOf(NetRight right) { return kNetRightAbis[static_cast<size_t>(right)]; }
int LandlockAbiOf(Scope scope) { return kScopeAbis[static_cast<size_t>(scope)]; }

}  // namespace linx
