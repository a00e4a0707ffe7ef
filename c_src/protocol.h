// The wire names of protocol.def as enums, with their spelling.
#ifndef LINX_PROTOCOL_H_
#define LINX_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace linx {

#define LINX_COMMAND(name) name,
enum class CommandName : uint8_t {
#include "protocol.def"
};

#define LINX_EVENT(name) name,
enum class Event : uint8_t {
#include "protocol.def"
};

#define LINX_STAGE(name) name,
enum class Stage : uint16_t {
#include "protocol.def"
};

#define LINX_KEY(name) name,
enum class Key : uint8_t {
#include "protocol.def"
};

// Many of these words are C's own, hence the underscore.
#define LINX_VALUE(name) name##_,
enum class Value : uint8_t {
#include "protocol.def"
};

#define LINX_FIELD(name) name,
enum class Field : uint8_t {
#include "protocol.def"
};

#define LINX_FEATURE(name) name,
enum class Feature : uint8_t {
#include "protocol.def"
};

#define LINX_NAMESPACE(name, clone_flag) name,
enum class Namespace : uint8_t {
#include "protocol.def"
};

#define LINX_NAMESPACE(name, clone_flag) +1
constexpr size_t kNamespaceCount = 0
#include "protocol.def"
    ;

#define LINX_RLIMIT(name, resource) name,
enum class RlimitName : uint8_t {
#include "protocol.def"
};

#define LINX_RLIMIT(name, resource) +1
constexpr size_t kRlimitCount = 0
#include "protocol.def"
    ;

#define LINX_CONTROLLER(name) name,
enum class Controller : uint8_t {
#include "protocol.def"
};

#define LINX_CONTROLLER(name) +1
constexpr size_t kControllerCount = 0
#include "protocol.def"
    ;

#define LINX_SECUREBIT(name, bit) name,
enum class Securebit : uint8_t {
#include "protocol.def"
};

#define LINX_FSRIGHT(name, abi) name,
enum class FsRight : uint8_t {
#include "protocol.def"
};

#define LINX_FSRIGHT(name, abi) +1
constexpr unsigned kFsRightCount = 0
#include "protocol.def"
    ;

#define LINX_NETRIGHT(name, abi) name,
enum class NetRight : uint8_t {
#include "protocol.def"
};

#define LINX_NETRIGHT(name, abi) +1
constexpr unsigned kNetRightCount = 0
#include "protocol.def"
    ;

#define LINX_SCOPE(name, abi) name,
enum class Scope : uint8_t {
#include "protocol.def"
};

#define LINX_SCOPE(name, abi) +1
constexpr unsigned kScopeCount = 0
#include "protocol.def"
    ;

// The version that `hello` carries; raised when a frame changes its meaning.
constexpr int kProtocolVersion = 1;

// The largest frame body that is accepted, in bytes.
constexpr size_t kMaxFrame = 8u << 20;

// The spelling on the wire.
std::string_view Name(CommandName name);
std::string_view Name(Event event);
std::string_view Name(Stage stage);
std::string_view Name(Key key);
std::string_view Name(Value value);
std::string_view Name(Field field);
std::string_view Name(Feature feature);
std::string_view Name(Namespace ns);
std::string_view Name(RlimitName name);
std::string_view Name(Controller controller);
std::string_view Name(FsRight right);
std::string_view Name(NetRight right);
std::string_view Name(Scope scope);

// The enumerator of a spelling; false where there is none.
bool Find(std::string_view name, CommandName* out);
bool Find(std::string_view name, Key* out);
bool Find(std::string_view name, Value* out);
bool Find(std::string_view name, Namespace* out);
bool Find(std::string_view name, RlimitName* out);
bool Find(std::string_view name, Controller* out);
bool Find(std::string_view name, Securebit* out);
bool Find(std::string_view name, FsRight* out);
bool Find(std::string_view name, NetRight* out);
bool Find(std::string_view name, Scope* out);

// The clone(2) flag that makes a fresh one.
uint64_t CloneFlag(Namespace ns);

// The RLIMIT_* number of getrlimit(2).
int Resource(RlimitName name);

// The bit of prctl(PR_SET_SECUREBITS).
uint64_t Bit(Securebit bit);

// The first ABI of landlock(7) that has it; its bit is its place in the list.
int LandlockAbiOf(FsRight right);
int LandlockAbiOf(NetRight right);
int LandlockAbiOf(Scope scope);

}  // namespace linx

#endif  // LINX_PROTOCOL_H_
