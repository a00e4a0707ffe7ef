#include "term_writer.h"

#include <ei.h>

namespace linx {

namespace {

// Every header and every integer of 64 bits is shorter.
constexpr size_t kScratch = 16;

// Fills in a size that was not known when its header was written. A buffer that ran out of memory
// may lack the header; what it holds is never sent.
template <typename EncodeHeader>
void Patch(Buffer* out, size_t at, EncodeHeader encode, size_t size) {
  if (out->failed()) return;
  int index = 0;
  encode(out->data() + at, &index, static_cast<int>(size));
}

template <typename EncodeHeader>
void AppendHeader(Buffer* out, EncodeHeader encode, size_t size) {
  char bytes[kScratch];
  int index = 0;
  encode(bytes, &index, static_cast<int>(size));
  out->Append(bytes, static_cast<size_t>(index));
}

int EncodeBinaryHeader(char* at, int* index, int size) {
  const auto length = static_cast<uint32_t>(size);
  at[(*index)++] = ERL_BINARY_EXT;
  for (int shift = 24; shift >= 0; shift -= 8) at[(*index)++] = static_cast<char>(length >> shift);
  return 0;
}

}  // namespace

void TermWriter::Version() {
  char bytes[kScratch];
  int index = 0;
  ei_encode_version(bytes, &index);
  out_->Append(bytes, static_cast<size_t>(index));
}

void TermWriter::Atom(std::string_view name) {
  char bytes[MAXATOMLEN_UTF8 + kScratch];
  int index = 0;
  ei_encode_atom_len_as(bytes, &index, name.data(), static_cast<int>(name.size()), ERLANG_UTF8,
                        ERLANG_UTF8);
  out_->Append(bytes, static_cast<size_t>(index));
}

void TermWriter::Int(int64_t value) {
  char bytes[kScratch];
  int index = 0;
  ei_encode_longlong(bytes, &index, value);
  out_->Append(bytes, static_cast<size_t>(index));
}

void TermWriter::Uint(uint64_t value) {
  char bytes[kScratch];
  int index = 0;
  ei_encode_ulonglong(bytes, &index, value);
  out_->Append(bytes, static_cast<size_t>(index));
}

void TermWriter::BinaryHeader(size_t size) { AppendHeader(out_, EncodeBinaryHeader, size); }

void TermWriter::Binary(std::string_view bytes) {
  BinaryHeader(bytes.size());
  out_->Append(bytes.data(), bytes.size());
}

void TermWriter::Tuple(size_t arity) { AppendHeader(out_, ei_encode_tuple_header, arity); }

char* TermWriter::ReserveBinary(size_t max) {
  // The header's place is the first of the reserved bytes, so that nothing is there until it is
  // committed.
  char* at = out_->Reserve(kBinaryHeader + max);
  return at == nullptr ? nullptr : at + kBinaryHeader;
}

void TermWriter::CommitBinary(size_t size) {
  AppendHeader(out_, EncodeBinaryHeader, size);
  out_->Commit(size);
}

MapWriter::MapWriter(TermWriter writer) : writer_(writer), at_(writer.out_->size()) {
  AppendHeader(writer_.out_, ei_encode_map_header, 0);
}

MapWriter::~MapWriter() { Patch(writer_.out_, at_, ei_encode_map_header, pairs_); }

// An empty list is nil, another header than that of the list it turns out to be.
ListWriter::ListWriter(TermWriter writer) : writer_(writer), at_(writer.out_->size()) {
  AppendHeader(writer_.out_, ei_encode_list_header, 1);
}

ListWriter::~ListWriter() {
  Buffer* out = writer_.out_;
  if (items_ == 0 && !out->failed()) out->Truncate(at_);
  if (items_ > 0) Patch(out, at_, ei_encode_list_header, items_);
  AppendHeader(out, ei_encode_list_header, 0);
}

}  // namespace linx
