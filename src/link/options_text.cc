#include "link/options_text.h"

#include <string_view>

#include "base/check.h"

namespace corolla::link {
namespace {

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view code = text.substr(i, 3);
    if (code == "%2C" || code == "%25") {
      out += code == "%2C" ? ',' : '%';
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::string options_text(const std::map<std::string, std::string>& options) {
  std::string text;
  for (const auto& [key, value] : options) {
    CHECK(!key.empty() && key.find_first_of("=,%") == std::string::npos);
    text += (text.empty() ? "" : ",") + key + "=";
    for (char c : value) {
      if (c == ',')
        text += "%2C";
      else if (c == '%')
        text += "%25";
      else
        text += c;
    }
  }
  return text;
}

Result<std::map<std::string, std::string>> parse_options(const std::string& text) {
  std::map<std::string, std::string> options;
  std::string_view left = text;
  while (!left.empty()) {
    const size_t comma = left.find(',');
    const std::string_view piece = left.substr(0, comma);
    left.remove_prefix(comma == std::string_view::npos ? left.size() : comma + 1);
    const size_t equals = piece.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return Error{Code::kInvalidArgument,
                   "engine option '" + std::string(piece) + "' is not of the form key=value"};
    options[std::string(piece.substr(0, equals))] = unescaped(piece.substr(equals + 1));
  }
  return options;
}

}  // namespace corolla::link
