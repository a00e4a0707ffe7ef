// A warm program that knows a few words, as verbs.py does.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "prefork.h"

namespace {

std::string Setting(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

const char* Bool(bool value) { return value ? "True" : "False"; }

void Show(const std::string& started, const std::vector<std::string>& words) {
  std::cout << started << "|" << Setting("A", "None");
  for (size_t i = 1; i < words.size(); i++) std::cout << "|" << words[i];
  std::cout << "\n";
}

void Copy() {
  std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return toupper(c); });
  std::cout << text;
  std::cerr << "copied\n";
}

void Terminal() {
  std::cout << Bool(isatty(0)) << " " << Bool(isatty(1)) << " " << Bool(isatty(2)) << "\n";
  std::cout << "name? " << std::flush;
  std::string name;
  std::getline(std::cin, name);
  std::cout << "heard " << name << "\n";
}

int Run(const std::string& started, const std::string& part,
        const std::vector<std::string>& words) {
  const std::string& verb = words.at(0);
  if (verb == "show") {
    Show(started, words);
  } else if (verb == "part") {
    std::cout << part << "\n";
  } else if (verb == "copy") {
    Copy();
  } else if (verb == "terminal") {
    Terminal();
  } else if (verb == "exit") {
    return std::stoi(words.at(1));
  } else if (verb == "signal") {
    kill(getpid(), std::stoi(words.at(1)));
  } else if (verb == "sleep") {
    std::cout << started << " " << getpid() << " " << getppid() << std::endl;
    sleep(1000);
  } else {
    throw std::invalid_argument(verb);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string part, started = std::to_string(getpid());
  std::ifstream file("part");
  std::getline(file, part);
  file.close();
  prefork::Options options;
  options.max_servers = std::stoul(Setting("MAX_SERVERS", "4"));
  options.idle_timeout =
      std::chrono::milliseconds(static_cast<int>(1000 * std::stod(Setting("IDLE_S", "1000"))));
  options.program_files = {"part"};
  return Run(started, "first " + part, prefork::InitialisationComplete(argc, argv, options));
}
