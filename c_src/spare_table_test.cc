#include "spare_table.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <memory>

#include "test_process.h"

namespace linx {
namespace {

struct Unmap {
  void operator()(SpareTable* table) const { munmap(table, sizeof(SpareTable)); }
};
using Table = std::unique_ptr<SpareTable, Unmap>;

TEST_CASE("a new table is empty") {
  const Table table(SpareTable::Create());
  REQUIRE(table);
  CHECK_FALSE(table->Has(1));
}

TEST_CASE("a pid is there until it is removed") {
  const Table table(SpareTable::Create());
  CHECK(table->Add(10));
  CHECK(table->Add(11));
  CHECK(table->Has(10));
  table->Remove(10);
  table->Remove(12);
  CHECK_FALSE(table->Has(10));
  CHECK(table->Has(11));
}

TEST_CASE("a full table says so and has room again after a removal") {
  const Table table(SpareTable::Create());
  pid_t last = 0;
  while (table->Add(last + 1)) ++last;
  CHECK(last == 4096);
  CHECK_FALSE(table->Has(last + 1));
  table->Remove(17);
  CHECK(table->Add(last + 1));
  CHECK(table->Has(last + 1));
}

TEST_CASE("what a fork adds its parent sees") {
  const Table table(SpareTable::Create());
  test::Process process = test::ForkProcess([&] { return table->Add(10) ? 0 : 1; });
  CHECK(process.ExitCode() == 0);
  CHECK(table->Has(10));
}

}  // namespace
}  // namespace linx
