#include "streams.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace linx {

Streams::Streams(EventLoop& loop, Events events, Handler on_pause, Handler on_drained)
    : loop_(loop),
      on_drained_(on_drained),
      input_(loop, events),
      outputs_{Output(loop, events, on_pause, Handler::To<&Streams::OnOutputDone>(this)),
               Output(loop, events, on_pause, Handler::To<&Streams::OnOutputDone>(this))} {}

Status Streams::OpenTerminal(std::optional<uint32_t> window) {
  is_terminal_ = true;
  const Status opened = pty_.Open();
  if (!opened.ok()) return opened.error();
  UniqueFd master = pty_.TakeMaster();
  // Two, for each direction is watched by itself.
  UniqueFd writer = CopyHigh(master.get());
  if (!writer) return Error::Last(Stage::ptsetup);
  outputs_[0].Open(std::move(master), Output::Source::terminal, Event::pty_out, window);
  input_.Open(std::move(writer), window.has_value());
  return {};
}

void Streams::OpenPipes(StdioFds* stdio, std::optional<uint32_t> window) {
  auto& [in, out, error] = stdio->ours;
  if (in) input_.Open(std::move(in), true);
  if (out) outputs_[0].Open(std::move(out), Output::Source::pipe, Event::stdout, window);
  if (error) outputs_[1].Open(std::move(error), Output::Source::pipe, Event::stderr, window);
}

Status Streams::Start() {
  started_ = true;
  for (Output& output : outputs_) {
    if (!output.exists()) continue;
    Status heard = output.Start();
    if (!heard.ok()) return heard;
  }
  return {};
}

int Streams::Handle(const PtyIn& input) {
  if (!is_terminal_) return ENOTTY;
  return started_ ? input_.Take(input.bytes) : EBUSY;
}

int Streams::Handle(const PtyWinsize& size) {
  if (!is_terminal_) return ENOTTY;
  pty_.SetWinsize(size);
  return 0;
}

int Streams::Handle(const StdinBytes& input) {
  return HasStdin() ? input_.Take(input.bytes) : EBADF;
}

int Streams::Handle(const StdinEof&) {
  if (!HasStdin()) return EBADF;
  input_.End();
  return 0;
}

int Streams::Handle(const Ack& ack) {
  for (Output& output : outputs_) {
    if (output.exists() && output.name() == ack.stream) return output.Ack(ack.bytes) ? 0 : EINVAL;
  }
  return EBADF;
}

void Streams::Resume() {
  for (Output& output : outputs_) output.Resume();
}

bool Streams::IsDrained() const {
  return std::all_of(outputs_.begin(), outputs_.end(), [](const Output& o) { return o.done(); });
}

void Streams::Drain(uint32_t ms) {
  input_.Close();
  pty_.ClosePeer();
  for (Output& output : outputs_) output.Drain();
  if (IsDrained()) return on_drained_();
  timer_ = loop_.After(ms, Handler::To<&Streams::Expire>(this));
}

void Streams::Expire() {
  for (Output& output : outputs_) output.Expire();
  OnOutputDone();
}

void Streams::OnOutputDone() {
  if (IsDrained()) on_drained_();
}

void Streams::Close() {
  timer_.Reset();
  input_.Close();
  pty_.ClosePeer();
  for (Output& output : outputs_) output.Close();
}

StreamBytes Streams::bytes() const {
  StreamBytes bytes;
  (is_terminal_ ? bytes.pty_in_bytes : bytes.stdin_bytes) = input_.bytes();
  (is_terminal_ ? bytes.pty_out_bytes : bytes.stdout_bytes) = outputs_[0].bytes();
  bytes.stderr_bytes = outputs_[1].bytes();
  return bytes;
}

}  // namespace linx
