// Runs a question in a process of its own and brings its answer back.
//
// For drivers: a process that has asked CUDA keeps the device open until its end, and must not stay
// one that cuts devices or starts workers.
//
// REQUIRES: called by a process with one thread.
#pragma once
#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace corolla::slice {

// kUnavailable if there is no answer within `limit`, or the process dies over it.
Result<std::string> ask_in_child(const std::function<Result<std::string>()>& question,
                                 Duration limit);

}  // namespace corolla::slice
