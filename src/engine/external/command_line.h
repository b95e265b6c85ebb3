// The command line of an external server: one text of corolla.yaml into words, without a shell.
// Thread-safe: pure functions.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corolla::engine {

// Words are separated by blanks. '...' and "..." hold words together, a backslash takes the next
// character as it is (within "..." only before " and itself). Nothing else has a meaning: whoever
// wants a shell's asks for it (sh -c '...'). {name}, of small letters and '_', is replaced by
// `values`, after the splitting. kInvalidArgument: a quote that does not end, a name that `values`
// has not, or no word at all.
Result<std::vector<std::string>> split_command(std::string_view text,
                                               const std::map<std::string, std::string>& values);

}  // namespace corolla::engine
