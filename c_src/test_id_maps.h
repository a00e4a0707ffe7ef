// For tests of id maps: to be as an ordinary user, and programs in place of newuidmap.
#ifndef LINX_TEST_ID_MAPS_H_
#define LINX_TEST_ID_MAPS_H_

#include <doctest/doctest.h>
#include <sys/capability.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "test_process.h"

namespace linx::test {

// With the capabilities of the other ids out of reach, as an ordinary user has them.
class WithoutCapabilities {
 public:
  WithoutCapabilities() : before_(cap_get_proc()) {
    const cap_t sets = cap_dup(before_);
    const cap_value_t caps[] = {CAP_SETUID, CAP_SETGID};
    cap_set_flag(sets, CAP_EFFECTIVE, 2, caps, CAP_CLEAR);
    cap_set_proc(sets);
    cap_free(sets);
  }
  ~WithoutCapabilities() {
    cap_set_proc(before_);
    cap_free(before_);
  }

 private:
  const cap_t before_;
};

// A program in place of newuidmap or newgidmap, and what it was called with.
class Script {
 public:
  explicit Script(const std::string& body) {
    char name[] = "/tmp/linx-mapping-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    directory_ = name;
    path_ = directory_ + "/program";
    std::ofstream(path_) << "#!/bin/sh\n" << body << "\n";
    chmod(path_.c_str(), 0700);
  }
  ~Script() {
    std::remove(path_.c_str());
    for (const char* file : {".arguments", ".go"}) std::remove((path_ + file).c_str());
    std::remove(directory_.c_str());
  }
  const char* path() const { return path_.c_str(); }
  void Touch(const char* suffix) const { std::ofstream(path_ + suffix).put('x'); }
  std::string arguments() const { return ReadFile(path_ + ".arguments"); }

 private:
  std::string directory_, path_;
};

inline constexpr char kKeepArguments[] = "echo \"$@\" >\"$0.arguments\"";

}  // namespace linx::test

#endif  // LINX_TEST_ID_MAPS_H_
