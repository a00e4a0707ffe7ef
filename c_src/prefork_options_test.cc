#include "prefork_options.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <utility>

#include "prefork_ident.h"

namespace linx {
namespace {

using Mode = PreforkOptions::Mode;
using Words = std::vector<std::string>;

PreforkOptions Parse(Words words) {
  words.insert(words.begin(), "linx-prefork");
  PreforkOptions options;
  REQUIRE(ParsePreforkOptions(words, options) == "");
  return options;
}

std::string Wrong(Words words) {
  words.insert(words.begin(), "linx-prefork");
  PreforkOptions options;
  return ParsePreforkOptions(words, options);
}

TEST_CASE("prefork options: the three forms say the same") {
  for (const Words& words :
       {Words{"-U", "-f", "perl", "./s", "-x", "b"}, Words{"-U,-f,perl", "./s", "-x", "b"},
        Words{"-U -f perl", "./s", "-x", "b"}}) {
    const PreforkOptions options = Parse(words);
    CHECK(options.mode == Mode::fresh);
    CHECK(options.unlaundered);
    CHECK(options.program == Words{"perl"});
    CHECK(options.script == "./s");
    CHECK(options.arguments == Words{"-x", "b"});
  }
}

TEST_CASE("prefork options: a #! line's interpreter may have arguments of its own") {
  CHECK(Parse({"-U,perl,-w", "s"}).program == Words{"perl", "-w"});
  CHECK(Parse({"-U  perl  -w ", "s"}).program == Words{"perl", "-w"});
  CHECK(Parse({"-U perl,5", "s"}).program == Words{"perl,5"});
}

TEST_CASE("prefork options: a script is not needed where the words come separately") {
  const PreforkOptions options = Parse({"-U", "perl"});
  CHECK(options.program == Words{"perl"});
  CHECK_FALSE(options.script.has_value());
  CHECK(options.arguments.empty());
}

TEST_CASE("prefork options: letters in one word, values in their own or the next") {
  const PreforkOptions options = Parse({"-fUEA", "-G", "x y", "-E", "B", "--", "-odd", "s"});
  CHECK(options.mode == Mode::fresh);
  REQUIRE(options.shared.size() == 3);
  CHECK(options.shared[0].is_variable);
  CHECK(options.shared[0].text == "A");
  CHECK_FALSE(options.shared[1].is_variable);
  CHECK(options.shared[1].text == "x y");
  CHECK(options.shared[2].text == "B");
  CHECK(options.program == Words{"-odd"});
  CHECK(Parse({"-E HOME -gone -U perl", "s"}).ident == "one");
  CHECK(Parse({"-g", "", "-U", "perl"}).ident == "");
}

TEST_CASE("prefork options: what is to be done, whatever the order") {
  CHECK(Parse({"-U", "perl"}).mode == Mode::run);
  CHECK(Parse({"-U", "-f", "--kill", "perl"}).mode == Mode::kill);
  CHECK(Parse({"-U", "--kill", "-f", "perl"}).mode == Mode::kill);
  CHECK(Parse({"--kill", "--help"}).mode == Mode::help);
  CHECK(Parse({"-h"}).mode == Mode::help);
  CHECK(Parse({"-hx"}).mode == Mode::help);
}

TEST_CASE("prefork options: what is wrong is said") {
  CHECK(Wrong({}) == "an interpreter is missing");
  CHECK(Wrong({"-U"}) == "an interpreter is missing");
  CHECK(Wrong({"-U ", "s"}) == "an interpreter is missing");
  CHECK(Wrong({"perl", "s"}).find("option -U is missing") == 0);
  CHECK(Wrong({"-Ux", "perl"}) == "unknown option -x in -Ux");
  CHECK(Wrong({"-U", "--fresh", "perl"}) == "unknown option --fresh");
  CHECK(Wrong({"-U,perl"}) == "a script is missing behind the options of a #! line");
  CHECK(Wrong({"-U", "-E"}) == "option -E needs a value");
  CHECK(Wrong({"-UE", "A=1", "perl"}) == "option -E takes the name of a variable, not A=1");
  CHECK(Wrong({"-U", "-g", "a/b", "perl"}) == "option -g may not hold a slash: a/b");
  CHECK(Wrong({"-U", "-g", std::string(201, 'x'), "perl"}).find("option -g is longer") == 0);
}

TEST_CASE("prefork ident: equal for equal words, and for nothing else") {
  setenv("LINX_TEST_A", "1", 1);
  unsetenv("LINX_TEST_B");
  const auto ident = [](Words words) { return PreforkIdent(Parse(std::move(words))); };
  const std::string plain = ident({"-U", "perl", "s"});
  CHECK(plain.size() == 64);
  CHECK(ident({"-U,perl", "s"}) == plain);
  CHECK(ident({"-U", "-f", "perl", "s", "argument"}) == plain);
  CHECK(ident({"-U", "-g", "name", "perl", "s"}) == "name");

  const Words differ[] = {{"-U", "perl", "t"},
                          {"-U", "perls"},
                          {"-U", "perl"},
                          {"-U,perl,s", ""},
                          {"-U", "-E", "LINX_TEST_A", "perl", "s"},
                          {"-U", "-E", "LINX_TEST_B", "perl", "s"},
                          {"-U", "-G", "LINX_TEST_A", "perl", "s"},
                          {"-U", "-G", "a", "-G", "b", "perl", "s"},
                          {"-U", "-G", "b", "-G", "a", "perl", "s"},
                          {"-U", "-G", "ab", "perl", "s"}};
  std::vector<std::string> seen = {plain};
  for (const Words& words : differ) {
    const std::string found = ident(words);
    for (const std::string& other : seen) CHECK(found != other);
    seen.push_back(found);
  }

  const Words with_variable = {"-U", "-E", "LINX_TEST_B", "perl", "s"};
  const std::string absent = ident(with_variable);
  setenv("LINX_TEST_B", "", 1);
  const std::string empty = ident(with_variable);
  setenv("LINX_TEST_B", "2", 1);
  CHECK(empty != absent);
  CHECK(ident(with_variable) != empty);
  CHECK(ident({"-U", "perl", "s"}) == plain);
  unsetenv("LINX_TEST_A");
  unsetenv("LINX_TEST_B");
}

}  // namespace
}  // namespace linx
