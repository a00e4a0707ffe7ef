// The command line of linx-prefork, which is mostly a #! line: prefork-interp's options in its
// three forms.
#ifndef LINX_PREFORK_OPTIONS_H_
#define LINX_PREFORK_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace linx {

struct PreforkOptions {
  enum class Mode : uint8_t {
    run,
    fresh,  // -f
    kill,   // --kill
    help,
  };
  // A thing that runs have to agree in to share a server.
  struct Shared {
    bool is_variable;  // -E, else -G
    std::string text;
  };

  Mode mode = Mode::run;
  bool unlaundered = false;          // -U
  std::vector<Shared> shared;        // in the order given
  std::optional<std::string> ident;  // -g
  std::vector<std::string> program;  // the interpreter and its own arguments
  std::optional<std::string> script;
  std::vector<std::string> arguments;  // the script's
};

// Reads a whole argv. Answers what is wrong with it; an empty string where nothing is.
std::string ParsePreforkOptions(const std::vector<std::string>& argv, PreforkOptions& options);

extern const char kPreforkHelp[];

}  // namespace linx

#endif  // LINX_PREFORK_OPTIONS_H_
