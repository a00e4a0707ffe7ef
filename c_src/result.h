// What a fallible call of the agent returns. There are no exceptions in this program.
#ifndef LINX_RESULT_H_
#define LINX_RESULT_H_

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "protocol.h"

namespace linx {

// Where something failed and the kernel's word for it. `detail` names the path, name or index that
// failed where that helps a caller; it is empty otherwise.
struct Error {
  Stage stage;
  int code;
  std::string detail;

  // From errno as the last failing call left it.
  static Error Last(Stage stage, std::string detail = {}) {
    return Error{stage, errno, std::move(detail)};
  }
  static Error Of(Stage stage, int code, std::string detail = {}) {
    return Error{stage, code, std::move(detail)};
  }
};

// Either a value or an Error; never neither.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T Take() { return std::move(*value_); }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_{Stage::malformed_request, 0, {}};
};

// A call that yields nothing but may fail.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return !error_.has_value(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace linx

#endif  // LINX_RESULT_H_
