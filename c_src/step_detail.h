// What a failed step of a child was about.
#ifndef LINX_STEP_DETAIL_H_
#define LINX_STEP_DETAIL_H_

#include <cstdint>
#include <string>

#include "protocol.h"
#include "request.h"

namespace linx {

// The path, name or number of `plan` that the step used; `element` is the report's. Empty where the
// stage says it all.
std::string DetailOf(const Plan& plan, Stage stage, int32_t element);

}  // namespace linx

#endif  // LINX_STEP_DETAIL_H_
