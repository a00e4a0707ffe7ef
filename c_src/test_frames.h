// Golden frames, and memory that shows a read outside of a frame.
#ifndef LINX_TEST_FRAMES_H_
#define LINX_TEST_FRAMES_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "envelope.h"
#include "request.h"
#include "stdin_head.h"
#include "term_reader.h"

namespace linx::test {

// Copies of frames that end where mapped memory ends. A read past the end is a SIGSEGV even in
// erl_interface, which no sanitizer has instrumented.
class GuardedMemory {
 public:
  explicit GuardedMemory(size_t max) : size_((max + kPage - 1) / kPage * kPage) {
    void* block =
        mmap(nullptr, size_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) std::abort();
    block_ = static_cast<char*>(block);
    if (mprotect(block_ + size_, kPage, PROT_NONE) != 0) std::abort();
  }
  ~GuardedMemory() { munmap(block_, size_ + kPage); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  // Good until the next call. `frame` is no longer than the memory.
  std::string_view Copy(std::string_view frame) {
    if (frame.size() > size_) std::abort();
    char* at = block_ + size_ - frame.size();
    std::copy(frame.begin(), frame.end(), at);
    return {at, frame.size()};
  }

 private:
  static constexpr size_t kPage = 4096;
  size_t size_;
  char* block_;
};

// Reads a term with every call of the reader, whatever it is; what the values are is not the
// question here.
inline void Walk(TermReader& reader) {
  std::string_view bytes;
  int64_t number;
  uint64_t positive;
  bool truth;
  size_t count;
  reader.Peek();
  TermReader skipper = reader;
  skipper.Skip();
  if (reader.ReadBool(&truth) || reader.ReadAtom(&bytes) || reader.ReadBinary(&bytes)) return;
  if (reader.ReadInt(&number) || reader.ReadUint(&positive)) return;
  if (reader.ReadTuple(&count)) return;  // its elements follow
  if (reader.ReadMap(&count)) return;
  // A list's elements are looked at and skipped: what nests in them is not walked.
  if (reader.ReadList([](TermReader& element) {
        element.Peek();
        return element.Skip();
      })) {
    return;
  }
  reader.Skip();
}

// Everything that may be asked of a frame that came in.
inline void ReadEverything(std::string_view frame) {
  TermReader reader(frame);
  for (TermReader walker = reader; !walker.AtEnd();) Walk(walker);
  uint64_t id;
  ReadEnvelopePrefix(frame.substr(0, 16), &id);
  ReadEnvelope(reader, &id);
  StdinHead head;
  for (const bool envelope : {false, true}) ReadStdinHead(frame, frame.size(), envelope, &head);
  TermReader command = reader;
  (void)ReadCommand(command);
  CommandName name;
  if (!reader.ReadTupleOf(2) || !reader.ReadName(&name)) return;
  for (const Mode mode : {Mode::spawn, Mode::enter}) {
    TermReader request = reader;
    (void)ReadPlan(mode, request);
  }
  (void)ReadSeccompRules(reader);
}

#ifdef LINX_FIXTURES
struct GoldenFrame {
  std::string name;
  std::string body;
};

// Those whose name begins so, by name.
inline std::vector<GoldenFrame> GoldenFrames(std::string_view prefix = {}) {
  std::vector<GoldenFrame> frames;
  for (const auto& file : std::filesystem::directory_iterator(LINX_FIXTURES "/protocol")) {
    const std::filesystem::path& path = file.path();
    const std::string name = path.stem();
    if (path.extension() != ".etf" || name.compare(0, prefix.size(), prefix) != 0) continue;
    std::ifstream in(path, std::ios::binary);
    frames.push_back({name, {std::istreambuf_iterator<char>(in), {}}});
  }
  std::sort(frames.begin(), frames.end(),
            [](const GoldenFrame& a, const GoldenFrame& b) { return a.name < b.name; });
  return frames;
}

// The one of exactly this name; empty where there is none.
inline std::string Golden(std::string_view name) {
  for (const GoldenFrame& frame : GoldenFrames(name)) {
    if (frame.name == name) return frame.body;
  }
  return {};
}
#endif

}  // namespace linx::test

#endif  // LINX_TEST_FRAMES_H_
