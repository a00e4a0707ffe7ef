// Sessions with fds above 2, of one agent, for tests.
#ifndef LINX_TEST_FDS_H_
#define LINX_TEST_FDS_H_

#include <string>
#include <utility>
#include <vector>

#include "test_streams.h"

namespace linx::test {

using Fds = std::vector<std::pair<int, std::string>>;

inline std::string Shared(const char* kind, const std::string& name) {
  return Tuple({Atom(kind), Binary(name)});
}

inline std::string PipeEnd(const std::string& name, const char* end) {
  return Tuple({Atom("pipe"), Binary(name), Atom(end)});
}

inline std::pair<std::string, std::string> FdsKey(const Fds& fds) {
  std::string list = "l" + BigEndian(fds.size(), 4);
  for (const auto& [number, directive] : fds) {
    list += Tuple({Uint(static_cast<uint64_t>(number)), directive});
  }
  return {Atom("fds"), list + "j"};
}

// A BEAM that has said hello.
struct Agent : Beam {
  Agent() {
    Send(Tuple({Atom("hello"), Uint(1)}));
    Next();
  }
  pid_t Park(uint64_t id, const std::string& request) {
    Send(InEnvelope(id, request));
    return NextReady("{" + std::to_string(id) + ", ");
  }
  void Proceed(uint64_t id) { Send(InEnvelope(id, Atom("proceed"))); }
  // Ends without a word of its own.
  void Fails(uint64_t id, const Fds& fds, const std::string& error) {
    Send(InEnvelope(id, Shell("exit 0", {FdsKey(fds)})));
    CHECK(Next() == "{" + std::to_string(id) + ", {:error, " + error + "}}");
  }
};

}  // namespace linx::test

#endif  // LINX_TEST_FDS_H_
