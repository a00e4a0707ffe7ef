#include "stdio_request.h"

#include <unistd.h>

#include <bitset>

namespace linx {
namespace {

constexpr size_t kMaxLinkName = 255;

bool StdioKindOf(Value word, StdioKind* out) {
  switch (word) {
    case Value::inherit_:
      *out = StdioKind::inherit;
      return true;
    case Value::devnull_:
      *out = StdioKind::devnull;
      return true;
    case Value::pty_:
      *out = StdioKind::pty;
      return true;
    case Value::pipe_:
      *out = StdioKind::pipe;
      return true;
    default:
      return false;
  }
}

bool ReadFileMode(TermReader& reader, FileMode* out) {
  Value word;
  if (!reader.ReadName(&word) || word < Value::read_ || word > Value::read_nonblock_) return false;
  *out = static_cast<FileMode>(static_cast<int>(word) - static_cast<int>(Value::read_));
  return true;
}

bool ReadPathDirective(TermReader& reader, size_t arity, Stdio* out) {
  Value word;
  if (!reader.ReadName(&word) || !ReadString(reader, &out->path) || out->path.empty()) return false;
  switch (word) {
    // A path that is empty or begins with NUL would name no file but an abstract socket.
    case Value::connect_unix_:
      out->kind = StdioKind::connect_unix;
      return arity == 2;
    case Value::file_:
      out->kind = StdioKind::file;
      return arity == 3 && ReadFileMode(reader, &out->mode) && out->mode != FileMode::read_nonblock;
    case Value::link_:
    case Value::pipe_:
      out->kind = StdioKind::link;
      return arity == 3 && out->path.size() <= kMaxLinkName && ReadFileMode(reader, &out->mode) &&
             out->mode != FileMode::append;
    case Value::socketpair_:
      out->kind = StdioKind::socketpair;
      return arity == 2 && out->path.size() <= kMaxLinkName;
    case Value::listener_:
      out->kind = StdioKind::listener;
      return arity == 2 && out->path.size() <= kMaxLinkName;
    case Value::connect_:
      out->kind = StdioKind::connect;
      return arity == 2 && out->path.size() <= kMaxLinkName;
    default:
      return false;
  }
}

bool ReadDirective(TermReader& reader, size_t fd, Stdio* out) {
  Value word;
  size_t arity;
  if (reader.ReadTuple(&arity)) return arity > 1 && ReadPathDirective(reader, arity, out);
  if (!reader.ReadName(&word)) return false;
  if (word == Value::stdout_) {
    out->kind = StdioKind::like_stdout;
    return fd == STDERR_FILENO;
  }
  // One terminal is all three fds or none.
  return StdioKindOf(word, &out->kind) && out->kind != StdioKind::pty;
}

bool ReadFd(TermReader& reader, FdWish* out) {
  uint64_t number;
  if (!reader.ReadTupleOf(2) || !reader.ReadUint(kLastFd, &number) || number < kFirstFd) {
    return false;
  }
  out->number = static_cast<int>(number);
  size_t arity;
  if (reader.ReadTuple(&arity)) {
    return arity > 1 && ReadPathDirective(reader, arity, &out->directive);
  }
  Value word;
  out->directive.kind = StdioKind::devnull;
  return reader.ReadName(&word) && word == Value::devnull_;
}

bool ReadStdioOf(TermReader& reader, std::array<Stdio, 3>* stdio, std::bitset<3>* given) {
  Value word;
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&word)) return false;
  if (word < Value::stdin_ || word > Value::stderr_) return false;
  const size_t fd = static_cast<size_t>(word) - static_cast<size_t>(Value::stdin_);
  if (given->test(fd)) return false;
  given->set(fd);
  return ReadDirective(reader, fd, &(*stdio)[fd]);
}

}  // namespace

bool ReadString(TermReader& reader, std::string* out) {
  std::string_view bytes;
  if (!reader.ReadBinary(&bytes) || bytes.find('\0') != bytes.npos) return false;
  out->assign(bytes);
  return true;
}

bool ReadStdio(TermReader& reader, std::array<Stdio, 3>* stdio) {
  Value word;
  if (!reader.ReadName(&word)) {
    std::bitset<3> given;
    return reader.ReadList(
        [&](TermReader& element) { return ReadStdioOf(element, stdio, &given); });
  }
  Stdio all;
  if (!StdioKindOf(word, &all.kind)) return false;
  stdio->fill(all);
  return true;
}

bool ReadPrefork(TermReader& reader, Stdio* prefork) {
  prefork->signed_by_peer = true;
  return reader.ReadTupleOf(2) && ReadPathDirective(reader, 2, prefork) &&
         prefork->kind != StdioKind::listener;
}

bool ReadFds(TermReader& reader, std::vector<FdWish>* fds) {
  std::bitset<kLastFd + 1> given;
  return reader.ReadList([&](TermReader& element) {
    if (fds->size() == kMaxFdWishes || !ReadFd(element, &fds->emplace_back())) return false;
    const auto number = static_cast<size_t>(fds->back().number);
    const bool twice = given.test(number);
    given.set(number);
    return !twice;
  });
}

}  // namespace linx
