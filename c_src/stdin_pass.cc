#include "stdin_pass.h"

#include <algorithm>
#include <utility>

namespace linx {
namespace {

constexpr size_t kHeaderBytes = 4;
// A frame that lacks less than this is soon complete.
constexpr size_t kPassBytes = 16u << 10;
// What one turn copies, where there is no room for it in the workload's pipe.
constexpr size_t kPieceBytes = 64u << 10;

}  // namespace

bool StdinPass::Sees(const FrameReader& reader, bool envelope, StdinHead* head) {
  const FrameReader::Begun begun = reader.begun();
  if (begun.length > kMaxFrame || begun.length < begun.body.size() + kPassBytes) return false;
  return ReadStdinHead(begun.body, begun.length, envelope, head);
}

bool StdinPass::Begin(FrameReader& reader, const StdinHead& head, Session* session) {
  if (session == nullptr || session->StdinRoom() < head.bytes) return false;
  std::string_view here = reader.HandOver();
  here.remove_prefix(kHeaderBytes + head.size);
  id_ = head.id;
  left_ = head.bytes - here.size();
  expected_head_ = kHeaderBytes + head.size;
  session->PassStdin(here);
  return true;
}

Io StdinPass::Continue(FrameReader& reader, int fd, Session* session) {
  const size_t moved = session == nullptr ? 0 : session->MoveStdin(fd, left_);
  if (moved > 0) {
    reader.CountTaken(moved);
    left_ -= moved;
    return Io::more;
  }
  const Io io = reader.Fill(fd, std::min(left_, kPieceBytes));
  const std::string_view piece = reader.HandOver();
  left_ -= piece.size();
  if (session != nullptr) session->PassStdin(piece);
  return io;
}

void StdinPass::Note(std::string_view body, bool envelope) {
  StdinHead head;
  if (body.size() < kPassBytes || !ReadStdinHead(body, body.size(), envelope, &head)) return;
  expected_head_ = kHeaderBytes + head.size;
}

size_t StdinPass::NextFill() {
  const size_t head = std::exchange(expected_head_, 0);
  return head > 0 ? head : FrameReader::kFillBytes;
}

}  // namespace linx
