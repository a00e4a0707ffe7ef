#include "kernel_features.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "raw_syscall.h"

namespace linx {
namespace {

const std::vector<Feature>& All() {
  static Leaves leaves(*LeafParents::Create());
  static const std::vector<Feature> all = Features(leaves);
  return all;
}

bool Has(Feature feature) { return std::count(All().begin(), All().end(), feature) == 1; }

TEST_CASE("what is said to be there works") {
  if (Has(Feature::pidfd)) {
    const long fd = raw::Call(SYS_pidfd_open, raw::Call(SYS_getpid), 0);
    CHECK(fd >= 0);
    raw::Call(SYS_close, fd);
  }
  if (Has(Feature::close_range)) CHECK(raw::Call(SYS_close_range, 5000, 5001, 0) == 0);
  if (Has(Feature::landlock)) CHECK(raw::Call(SYS_landlock_create_ruleset, nullptr, 0, 1) >= 1);
}

TEST_CASE("each feature is named once") {
  for (const Feature feature : All()) {
    CAPTURE(Name(feature));
    CHECK(Has(feature));
  }
}

TEST_CASE("this program does not run from a sealed copy of itself") {
  CHECK_FALSE(Has(Feature::sealed_self));
}

TEST_CASE("looking for features closes nothing") {
  for (int fd = 0; fd < 3; ++fd) CHECK(raw::Call(SYS_fcntl, fd, 1 /* F_GETFD */) >= 0);
}

}  // namespace
}  // namespace linx
