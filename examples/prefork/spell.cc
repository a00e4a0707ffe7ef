// A spelling checker whose scripts are lists of words, one a line:
//
//     #!/usr/bin/prefork-interp -U,/usr/local/bin/spell
//     apple
//     pear
//
// Such a script prints the words of its input that it does not have, and exits with 1 if there are
// any. The list is read once, however often the script is run.
//
//     c++ -std=c++17 -O2 -o spell spell.cc prefork.cc run.cc

#include <cctype>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "prefork.h"

namespace {

std::set<std::string> ReadList(std::istream& list) {
  std::set<std::string> words;
  for (std::string line; std::getline(list, line);) {
    if (line.rfind("#", 0) != 0) words.insert(line);
  }
  return words;
}

std::string NextWord(std::istream& text) {
  std::string word;
  for (int c = text.get(); c != EOF; c = text.get()) {
    if (std::isalpha(c)) {
      word += static_cast<char>(std::tolower(c));
    } else if (!word.empty()) {
      break;
    }
  }
  return word;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " LIST [TEXT]\n";
    return 2;
  }
  std::ifstream list(argv[1]);
  std::set<std::string> words = ReadList(list);
  if (list.bad() || words.empty()) {
    std::cerr << argv[1] << ": no words\n";
    return 2;
  }
  list.close();

  prefork::Options options;
  options.idle_timeout = std::chrono::hours(1);
  std::vector<std::string> arguments = prefork::InitialisationComplete(argc, argv, options);

  std::ifstream file;
  if (!arguments.empty()) {
    file.open(arguments[0]);
    if (!file) {
      std::cerr << arguments[0] << ": cannot be read\n";
      return 2;
    }
  }
  std::istream& text = arguments.empty() ? std::cin : file;
  bool known = true;
  for (std::string word = NextWord(text); !word.empty(); word = NextWord(text)) {
    if (words.count(word) > 0) continue;
    known = false;
    std::cout << word << "\n";
  }
  return known ? 0 : 1;
}
