// The `stdio` and `fds` of a request: what each of the workload's file descriptors is to be.
#ifndef LINX_STDIO_REQUEST_H_
#define LINX_STDIO_REQUEST_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "term_reader.h"

namespace linx {

enum class StdioKind : uint8_t {
  inherit,
  devnull,
  pty,
  connect_unix,
  pipe,         // to or from the BEAM
  file,         // opened by the agent
  link,         // one end of a pipe between two sessions of the envelope
  socketpair,   // one end of a pair of sockets between two sessions
  listener,     // what other sessions connect to by its name
  connect,      // a connection to the listener of another session
  like_stdout,  // stderr only: the very same as stdout
};
enum class FileMode : uint8_t { read, write, append, read_nonblock };
struct Stdio {
  StdioKind kind = StdioKind::inherit;
  std::string path;                // connect_unix and file; the name of what sessions share
  FileMode mode = FileMode::read;  // file, without read_nonblock; a link's end, without append
  bool signed_by_peer = false;     // the socket tells which process writes to it

  // Whether it takes another session.
  bool shared() const { return kind >= StdioKind::link && kind <= StdioKind::connect; }
};

// One of the workload's fds above 2.
struct FdWish {
  int number = 0;
  Stdio directive;
};
constexpr size_t kMaxFdWishes = 64;
constexpr int kFirstFd = 3, kLastFd = 1023;

// Reads the value of the key `stdio`. One terminal is all three fds or none.
bool ReadStdio(TermReader& reader, std::array<Stdio, 3>* stdio);
constexpr char kExpectedStdio[] =
    ":inherit, :devnull, :pipe, :pty or a list of {:stdin | :stdout | :stderr, directive}, each fd "
    "once, with a directive of :inherit, :devnull, :pipe, {:connect_unix, path}, {:file, path, "
    ":read | :write | :append}, {:link | :pipe, name, :read | :write}, {:socketpair | :listener | "
    ":connect, name} or, for :stderr, :stdout";

// Reads the value of the key `fds`.
bool ReadFds(TermReader& reader, std::vector<FdWish>* fds);
constexpr char kExpectedFds[] =
    "a list of at most 64 of {3..1023, directive}, each fd once, with a directive of :devnull, "
    "{:connect_unix, path}, {:file, path, :read | :write | :append}, {:pipe, name, :read | "
    ":read_nonblock | :write} or {:socketpair | :listener | :connect, name}";

// Reads the value of the key `prefork`.
bool ReadPrefork(TermReader& reader, Stdio* prefork);
constexpr char kExpectedPrefork[] = "{:connect | :socketpair, name} or {:connect_unix, path}";

// Bytes that C strings can carry.
bool ReadString(TermReader& reader, std::string* out);

}  // namespace linx

#endif  // LINX_STDIO_REQUEST_H_
