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

// The enumerator of a spelling; false where there is none.
bool Find(std::string_view name, CommandName* out);
bool Find(std::string_view name, Key* out);
bool Find(std::string_view name, Value* out);
bool Find(std::string_view name, Namespace* out);
bool Find(std::string_view name, RlimitName* out);
bool Find(std::string_view name, Controller* out);

// The clone(2) flag that makes a fresh one.
uint64_t CloneFlag(Namespace ns);

// The RLIMIT_* number of getrlimit(2).
int Resource(RlimitName name);

}  // namespace linx

#endif  // LINX_PROTOCOL_H_
