// Requests and commands of sessions with streams, for tests.
#ifndef LINX_TEST_STREAMS_H_
#define LINX_TEST_STREAMS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "test_beam.h"

namespace linx::test {

inline std::string Stdin(const std::string& bytes) { return Tuple({Atom("stdin"), Binary(bytes)}); }

inline std::string StdinEof() { return Tuple({Atom("stdin"), Atom("eof")}); }

inline std::string Ack(const char* stream, uint64_t bytes) {
  return Tuple({Atom("ack"), Atom(stream), Uint(bytes)});
}

inline std::pair<std::string, std::string> Window(uint64_t bytes) {
  return {Atom("window"), Uint(bytes)};
}

inline std::pair<std::string, std::string> DrainMs(uint64_t ms) {
  return {Atom("drain_ms"), Uint(ms)};
}

inline std::pair<std::string, std::string> Directive(const char* fd, const std::string& directive) {
  return {Atom("stdio"), List({Tuple({Atom(fd), directive})})};
}

// A shell on three pipes that does not stop at the checkpoint.
inline std::string Piped(const std::string& script, Pairs pairs = {}) {
  pairs.emplace_back(Atom("stdio"), Atom("pipe"));
  pairs.push_back(Flag("auto_proceed"));
  return Shell(script, pairs);
}

// Everything from here to the terminal event.
struct Said {
  std::string out, err;
  size_t acked = 0;  // of stdin
  std::string rest;  // all other events
  size_t out_eofs = 0, err_eofs = 0;
};

inline Said NextUntilEnd(Beam& beam, const std::string& lead = "") {
  Said said;
  const auto begins = [](const std::string& text, const std::string& begin) {
    return text.compare(0, begin.size(), begin) == 0;
  };
  const auto quoted = [](const std::string& event, const std::string& begin) {
    return event.substr(begin.size(), event.rfind('"') - begin.size());
  };
  const std::string out = lead + "{:stdout, \"", err = lead + "{:stderr, \"";
  const std::string ack = lead + "{:stdin_ack, ";
  for (;;) {
    const std::string event = beam.Next();
    if (begins(event, out)) {
      said.out += quoted(event, out);
    } else if (begins(event, err)) {
      said.err += quoted(event, err);
    } else if (begins(event, ack)) {
      said.acked += std::stoul(event.substr(ack.size()));
    } else if (begins(event, lead + "{:stdout, :eof}")) {
      ++said.out_eofs;
    } else if (begins(event, lead + "{:stderr, :eof}")) {
      ++said.err_eofs;
    } else {
      said.rest += event;
      for (const char* last : {"{:status, :exited", "{:status, :signaled", "{:error"}) {
        if (begins(event, lead + last)) return said;
      }
      if (event == "nothing came" || event == "the end") return said;
    }
  }
}

// Numbers, so that bytes which are lost, doubled or out of order show.
inline std::string Counted(size_t size) {
  std::string all;
  for (int i = 0; all.size() < size; ++i) all += std::to_string(i) + '\n';
  all.resize(size);
  return all;
}

}  // namespace linx::test

#endif  // LINX_TEST_STREAMS_H_
