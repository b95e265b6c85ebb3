// Statistics as bytes and back, for statistics_book.h.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/front/statistics.h"

namespace corolla::front {

std::string to_record(const StatisticsSnapshot& statistics);
// The same statistics again. kInvalidArgument: these bytes are no record.
Result<StatisticsSnapshot> from_record(std::string_view bytes);

}  // namespace corolla::front
