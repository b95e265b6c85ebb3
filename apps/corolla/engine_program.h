// Other programs of Corolla that `corolla compile` and `corolla run` call: what must not be linked
// into this one (OpenVINO, CUDA) lies in those.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace corolla::app {

// The program `name` beside this one; kNotFound when this build has none.
Result<std::string> program_beside(const std::string& name);

// Runs it to its end, its output going where ours goes. kInternal when it cannot be started or ends
// with other than 0: it has then said why.
Status run_program_beside(const std::string& name, const std::vector<std::string>& arguments);

}  // namespace corolla::app
