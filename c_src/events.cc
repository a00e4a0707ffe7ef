#include "events.h"

namespace linx {

TermWriter Events::Begin() {
  TermWriter term = outbox_->BeginFrame();
  if (id_) {
    term.Tuple(2);
    term.Uint(*id_);
  }
  return term;
}

void Events::Status(Event event, int64_t value) {
  TermWriter term = Begin();
  term.Tuple(3);
  term.Atom(Event::status);
  term.Atom(event);
  term.Int(value);
  outbox_->EndFrame();
}

void Events::Running() {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::status);
  term.Atom(Event::running);
  outbox_->EndFrame();
}

void Events::Failed(const Error& error) {
  const bool detailed = id_ && !error.detail.empty();
  TermWriter term = Begin();
  term.Tuple(detailed ? 4 : 3);
  term.Atom(Event::error);
  term.Int(error.code);
  term.Atom(error.stage);
  if (detailed) term.Binary(error.detail);
  outbox_->EndFrame();
}

void Events::Refused(int code, std::string_view name, std::string_view detail) {
  const bool detailed = id_ && !detail.empty();
  TermWriter term = Begin();
  term.Tuple(detailed ? 4 : 3);
  term.Atom(Event::refused);
  term.Int(code);
  term.Atom(name);
  if (detailed) term.Binary(detail);
  outbox_->EndFrame();
}

void Events::SeccompFilter(std::string_view bpf) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::seccomp_filter);
  term.Binary(bpf);
  outbox_->EndFrame();
}

}  // namespace linx
