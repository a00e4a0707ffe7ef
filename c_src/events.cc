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

void Events::Status(Event event) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::status);
  term.Atom(event);
  outbox_->EndFrame();
}

void Events::OutputFrom(int pipe, Event stream, size_t size) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(stream);
  term.BinaryHeader(size);
  outbox_->EndFrameFrom(pipe, size);
}

void Events::Eof(Event stream) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(stream);
  term.Atom(Event::eof);
  outbox_->EndFrame();
}

void Events::StdinAck(uint64_t bytes) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::stdin_ack);
  term.Uint(bytes);
  outbox_->EndFrame();
}

void Events::StdinClosed() {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::stdin);
  term.Atom(Event::closed);
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

// The keys are in Erlang's order, so that the frame is the one that Erlang would make.
void Events::Used(const Usage& usage) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::usage);
  {
    MapWriter map(term);
    map.Key(Field::core_dumped).Bool(usage.core_dumped);
    map.Key(Field::involuntary_switches).Uint(usage.involuntary_switches);
    map.Key(Field::major_faults).Uint(usage.major_faults);
    map.Key(Field::max_rss_kb).Uint(usage.max_rss_kb);
    map.Key(Field::minor_faults).Uint(usage.minor_faults);
    map.Key(Field::stime_us).Uint(usage.stime_us);
    map.Key(Field::utime_us).Uint(usage.utime_us);
    map.Key(Field::voluntary_switches).Uint(usage.voluntary_switches);
    map.Key(Field::wall_us).Uint(usage.wall_us);
  }
  outbox_->EndFrame();
}

void Events::RunUsed(uint64_t wall_us, bool core_dumped) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::usage);
  {
    MapWriter map(term);
    map.Key(Field::core_dumped).Bool(core_dumped);
    map.Key(Field::wall_us).Uint(wall_us);
  }
  outbox_->EndFrame();
}

void Events::Syscall(const SyscallCall& call) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(Event::syscall);
  {
    MapWriter map(term);
    map.Key(Field::arch).Uint(call.arch);
    {
      ListWriter args(map.Key(Field::args));
      for (const uint64_t arg : call.args) args.Item().Uint(arg);
    }
    map.Key(Field::id).Uint(call.id);
    map.Key(Field::instruction_pointer).Uint(call.instruction_pointer);
    map.Key(Field::name).Binary(call.name);
    map.Key(Field::number).Int(call.number);
    map.Key(Field::pid).Int(call.pid);
  }
  outbox_->EndFrame();
}

void Events::Stats(const SessionStats& stats) {
  TermWriter term = Begin();
  term.Tuple(2);
  term.Atom(CommandName::stats);
  {
    MapWriter map(term);
    map.Key(Field::cpu_us).Uint(stats.tree.cpu_us);
    map.Key(Field::fds).Uint(stats.tree.fds);
    map.Key(Field::processes).Uint(stats.tree.processes);
    map.Key(Field::pty_in_bytes).Uint(stats.bytes.pty_in_bytes);
    map.Key(Field::pty_out_bytes).Uint(stats.bytes.pty_out_bytes);
    map.Key(Field::resident_bytes).Uint(stats.tree.resident_bytes);
    map.Key(Field::stderr_bytes).Uint(stats.bytes.stderr_bytes);
    map.Key(Field::stdin_bytes).Uint(stats.bytes.stdin_bytes);
    map.Key(Field::stdout_bytes).Uint(stats.bytes.stdout_bytes);
  }
  outbox_->EndFrame();
}

}  // namespace linx
