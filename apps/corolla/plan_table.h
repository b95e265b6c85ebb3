// How `corolla compile` shows a plan: a table of its steps, for people or as JSON.
#pragma once
#include <string>

#include "plan/plan.h"

namespace corolla::app {

// One line a step: shapes, work, kernel, and where it was timed its time, share and per cent of the
// roofline; then totals. Of the smallest batch.
std::string plan_table(const plan::Plan& plan);
// The whole plan but its weights: one JSON object, one line.
std::string plan_json(const plan::Plan& plan);

}  // namespace corolla::app
