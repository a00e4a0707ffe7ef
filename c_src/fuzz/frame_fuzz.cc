// The channel: any bytes, in pieces of any size, come out as frames that can be walked, and as the
// same frames whatever the pieces.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "frame.h"
#include "test_frames.h"
#include "test_terms.h"
#include "unique_fd.h"

namespace linx {
namespace {

using Kind = FrameReader::Frame::Kind;

// Larger than what libFuzzer makes, so that no write blocks.
constexpr int kPipeBytes = 1 << 20;

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Received {
  Kind kind;
  std::string body;
  bool operator==(const Received& other) const { return kind == other.kind && body == other.body; }
};

// What a reader makes of the stream, fed `piece` bytes at a time.
std::vector<Received> Feed(std::string_view stream, size_t piece) {
  int fds[2];
  Require(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
  const UniqueFd out(fds[0]), in(fds[1]);
  Require(fcntl(in.get(), F_SETPIPE_SZ, kPipeBytes) >= kPipeBytes);
  FrameReader reader;
  std::vector<Received> received;
  while (!stream.empty()) {
    const size_t n = std::min(stream.size(), piece);
    Require(write(in.get(), stream.data(), n) == static_cast<ssize_t>(n));
    stream.remove_prefix(n);
    while (reader.Fill(out.get()) == Io::more) {
    }
    while (const FrameReader::Frame frame = reader.Next()) {
      received.push_back({frame.kind, std::string(frame.body)});
    }
  }
  return received;
}

void Walk(std::string_view frame) {
  static test::GuardedMemory memory(kPipeBytes);
  const std::string_view guarded = memory.Copy(frame);
  for (TermReader reader(guarded); !reader.AtEnd();) test::Walk(reader);
}

void Run(std::string_view input) {
  // The corpus holds bodies; a stream is made of them by a length in front.
  const std::string framed = test::BigEndian(input.size(), 4).append(input);
  const size_t piece = input.empty() ? 1 : 1 + static_cast<uint8_t>(input.back());
  for (const std::string& stream : {framed + framed, std::string(input)}) {
    const std::vector<Received> whole = Feed(stream, stream.size());
    Require(Feed(stream, std::max(piece, stream.size() / 64)) == whole);
    for (const Received& frame : whole) Walk(frame.body);
  }
}

}  // namespace
}  // namespace linx

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A frame too large for the pipe says nothing that a smaller one does not.
  if (size < linx::kPipeBytes / 4) linx::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
