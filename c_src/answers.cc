#include "answers.h"

#include <unistd.h>

#include <string>

#include "capabilities.h"
#include "landlock.h"

namespace linx {

void SayHello(Outbox* outbox, const std::vector<Feature>& features) {
  TermWriter term = outbox->BeginFrame();
  term.Tuple(2);
  term.Atom(CommandName::hello);
  {
    MapWriter map(term);
    map.Key(Field::protocol).Int(kProtocolVersion);
    map.Key(Field::version).Binary(LINX_VERSION);
    map.Key(Field::pid).Int(getpid());
    map.Key(Field::landlock_abi).Int(LandlockAbi());
    ListWriter list(map.Key(Field::features));
    for (const Feature feature : features) list.Item().Atom(feature);
  }
  outbox->EndFrame();
}

void SayStats(Outbox* outbox, const AgentStats& stats) {
  TermWriter term = outbox->BeginFrame();
  term.Tuple(2);
  term.Atom(CommandName::stats);
  {
    MapWriter map(term);
    map.Key(Field::sessions).Uint(stats.sessions);
    map.Key(Field::sessions_started).Uint(stats.sessions_started);
    map.Key(Field::bytes_in).Uint(stats.bytes_in);
    map.Key(Field::bytes_out).Uint(outbox->bytes_out());
    map.Key(Field::fds).Uint(stats.use.fds);
    map.Key(Field::resident_bytes).Uint(stats.use.resident_bytes);
    ListWriter list(map.Key(Field::pids));
    for (const pid_t pid : stats.pids) list.Item().Int(pid);
  }
  outbox->EndFrame();
}

void SayCapabilities(Outbox* outbox) {
  TermWriter term = outbox->BeginFrame();
  term.Tuple(2);
  term.Atom(CommandName::capabilities);
  {
    ListWriter list(term);
    for (const std::string& name : CapabilityNames()) list.Item().Atom(std::string_view(name));
  }
  outbox->EndFrame();
}

}  // namespace linx
