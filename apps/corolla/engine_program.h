// Other programs of Corolla that `corolla compile` and `corolla run` call: what must not be linked
// into this one (OpenVINO, CUDA) lies in those.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::app {

// The program `name` beside this one; kNotFound when this build has none.
Result<std::string> program_beside(const std::string& name);

// Runs it to its end; what it prints goes where ours goes, or with `quiet` only its errors do.
// kInternal when it cannot be started or ends with other than 0: it has then said why.
Status run_program_beside(const std::string& name, const std::vector<std::string>& arguments,
                          bool quiet = false);

}  // namespace corolla::app
