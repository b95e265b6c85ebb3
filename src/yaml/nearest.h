// Which known word somebody meant.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace corolla::yaml {

// The known word nearest to `word` (letters left out, added, changed or swapped), or empty when
// none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// "did you mean 'slices'?", or "known are: a, b, c" when nothing is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace corolla::yaml
