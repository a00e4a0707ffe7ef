#include "prefork_options.h"

#include <cstddef>

namespace linx {

const char kPreforkHelp[] =
    "usage: linx-prefork OPTION... INTERPRETER [SCRIPT [ARGUMENT...]]\n"
    "       #!/path/to/linx-prefork OPTION,...,INTERPRETER\n"
    "       #!/path/to/linx-prefork OPTION ... INTERPRETER\n"
    "\n"
    "Runs a script in a fork of itself that has its start-up behind it. The script calls a "
    "library\n"
    "such as Proc::Prefork::Interp or linx_prefork.py where that is so.\n"
    "\n"
    "  -U         arguments and environment reach the script as they are (required)\n"
    "  -f         start the script anew, and end the one that runs\n"
    "  --kill     end the one that runs, and run nothing\n"
    "  -E NAME    only runs with the same environment variable NAME share a start\n"
    "  -G STRING  only runs with the same STRING do\n"
    "  -g IDENT   all runs with this IDENT do, whatever else is different\n"
    "  -h, --help show this\n";

namespace {

using Words = std::vector<std::string>;

// A #! line's words come as one argument. What separates them is what comes first.
std::optional<Words> SplitCombined(const std::string& line) {
  const size_t first = line.find_first_of(", ");
  if (line.empty() || line[0] != '-' || first == std::string::npos) return std::nullopt;
  Words words;
  for (size_t at = 0; at != std::string::npos;) {
    const size_t end = line.find(line[first], at);
    if (end != at && at < line.size()) words.push_back(line.substr(at, end - at));
    at = end == std::string::npos ? end : end + 1;
  }
  return words;
}

class Parser {
 public:
  Parser(const Words& words, PreforkOptions& options) : words_(words), options_(options) {}

  // Reads options up to the first word that is none.
  std::string ReadOptions() {
    while (at_ < words_.size() && words_[at_].size() > 1 && words_[at_][0] == '-') {
      const std::string& word = words_[at_++];
      if (word == "--") break;
      const std::string wrong = word[1] == '-' ? ReadLong(word) : ReadLetters(word);
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  size_t at() const { return at_; }

 private:
  std::string ReadLong(const std::string& word) {
    if (word == "--kill") {
      if (options_.mode != PreforkOptions::Mode::help) options_.mode = PreforkOptions::Mode::kill;
    } else if (word == "--help") {
      options_.mode = PreforkOptions::Mode::help;
    } else {
      return "unknown option " + word;
    }
    return {};
  }

  std::string ReadLetters(const std::string& word) {
    for (size_t i = 1; i < word.size(); ++i) {
      switch (word[i]) {
        case 'U':
          options_.unlaundered = true;
          break;
        case 'f':
          if (options_.mode == PreforkOptions::Mode::run) {
            options_.mode = PreforkOptions::Mode::fresh;
          }
          break;
        case 'h':
          options_.mode = PreforkOptions::Mode::help;
          break;
        case 'E':
        case 'G':
        case 'g':
          return ReadValue(word[i], word.substr(i + 1));
        default:
          return std::string("unknown option -") + word[i] + " in " + word;
      }
    }
    return {};
  }

  // The value is the rest of its word, or the next one.
  std::string ReadValue(char letter, std::string value) {
    if (value.empty()) {
      if (at_ == words_.size()) return std::string("option -") + letter + " needs a value";
      value = words_[at_++];
    }
    if (letter == 'g') return SetIdent(value);
    if (letter == 'E' && value.find('=') != std::string::npos) {
      return "option -E takes the name of a variable, not " + value;
    }
    options_.shared.push_back({letter == 'E', std::move(value)});
    return {};
  }

  // It becomes part of a file's name.
  std::string SetIdent(const std::string& value) {
    constexpr size_t kLongest = 200;
    if (value.find('/') != std::string::npos) return "option -g may not hold a slash: " + value;
    if (value.size() > kLongest) return "option -g is longer than 200 bytes: " + value;
    options_.ident = value;
    return {};
  }

  const Words& words_;
  PreforkOptions& options_;
  size_t at_ = 0;
};

// argv from `at` on is the script and what is its own.
void TakeScript(const Words& argv, size_t at, PreforkOptions& options) {
  if (at < argv.size()) options.script = argv[at++];
  for (; at < argv.size(); ++at) options.arguments.push_back(argv[at]);
}

std::string ReadCombined(const Words& words, const Words& argv, PreforkOptions& options) {
  Parser parser(words, options);
  std::string wrong = parser.ReadOptions();
  if (!wrong.empty()) return wrong;
  for (size_t i = parser.at(); i < words.size(); ++i) options.program.push_back(words[i]);
  if (argv.size() < 3) return "a script is missing behind the options of a #! line";
  TakeScript(argv, 2, options);
  return {};
}

std::string ReadSeparate(const Words& argv, PreforkOptions& options) {
  const Words words(argv.begin() + (argv.empty() ? 0 : 1), argv.end());
  Parser parser(words, options);
  std::string wrong = parser.ReadOptions();
  if (!wrong.empty()) return wrong;
  if (parser.at() < words.size()) {
    options.program.push_back(words[parser.at()]);
    TakeScript(words, parser.at() + 1, options);
  }
  return {};
}

}  // namespace

std::string ParsePreforkOptions(const Words& argv, PreforkOptions& options) {
  const std::optional<Words> combined = argv.size() > 1 ? SplitCombined(argv[1]) : std::nullopt;
  std::string wrong =
      combined ? ReadCombined(*combined, argv, options) : ReadSeparate(argv, options);
  if (options.mode == PreforkOptions::Mode::help) return {};
  if (!wrong.empty()) return wrong;
  if (options.program.empty()) return "an interpreter is missing";
  if (!options.unlaundered) {
    return "option -U is missing: what else could be done with arguments and environment is not "
           "defined";
  }
  return {};
}

}  // namespace linx
