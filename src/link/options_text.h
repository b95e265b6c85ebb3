// Engine options as one text, the form in which they travel: "key=value,key=value". A comma, and a
// percent sign, within a value are written %2C and %25, so that a value may hold anything: a whole
// command line.
//
// Thread-safe: pure functions.
#pragma once
#include <map>
#include <string>

#include "base/result.h"

namespace corolla::link {

// REQUIRES: no key is empty or holds '=', ',' or '%'.
std::string options_text(const std::map<std::string, std::string>& options);

// kInvalidArgument names the piece without '='.
Result<std::map<std::string, std::string>> parse_options(const std::string& text);

}  // namespace corolla::link
