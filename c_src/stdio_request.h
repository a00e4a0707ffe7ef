// The `stdio` of a request: what each of the workload's fds 0, 1 and 2 is to be.
#ifndef LINX_STDIO_REQUEST_H_
#define LINX_STDIO_REQUEST_H_

#include <array>
#include <cstdint>
#include <string>

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
  like_stdout,  // stderr only: the very same as stdout
};
enum class FileMode : uint8_t { read, write, append };
struct Stdio {
  StdioKind kind = StdioKind::inherit;
  std::string path;                // connect_unix and file; a link's name
  FileMode mode = FileMode::read;  // file; a link's end, which is read or write
};

// Reads the value of the key `stdio`. One terminal is all three fds or none.
bool ReadStdio(TermReader& reader, std::array<Stdio, 3>* stdio);
constexpr char kExpectedStdio[] =
    ":inherit, :devnull, :pipe, :pty or a list of {:stdin | :stdout | :stderr, directive}, each fd "
    "once, with a directive of :inherit, :devnull, :pipe, {:connect_unix, path}, {:file, path, "
    ":read | :write | :append}, {:link, name, :read | :write} or, for :stderr, :stdout";

// Bytes that C strings can carry.
bool ReadString(TermReader& reader, std::string* out);

}  // namespace linx

#endif  // LINX_STDIO_REQUEST_H_
