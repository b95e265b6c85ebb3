#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <string_view>

#include "load/arrivals.h"

namespace corolla::load {
namespace {

Result<std::ifstream> open(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{Code::kNotFound, "cannot read '" + path + "'"};
  return file;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(value))
    return std::nullopt;
  return value;
}

Error bad_line(const std::string& path, size_t line, std::string_view text,
               std::string_view wanted) {
  return {Code::kInvalidArgument, path + ":" + std::to_string(line) + ": '" +
                                      std::string(text.substr(0, 60)) + "' is not " +
                                      std::string(wanted)};
}

std::string_view column(std::string_view line, size_t index) {
  for (; index > 0; --index) {
    const size_t comma = line.find(',');
    if (comma == line.npos) return {};
    line.remove_prefix(comma + 1);
  }
  return trimmed(line.substr(0, line.find(',')));
}

}  // namespace

Result<std::vector<Duration>> read_intervals(const std::string& path) {
  ASSIGN_OR_RETURN(std::ifstream file, open(path));
  std::vector<Duration> gaps;
  Duration sum{};
  std::string line;
  for (size_t n = 1; std::getline(file, line); ++n) {
    const std::string_view text = trimmed(line);
    if (text.empty()) continue;
    const auto us = number(text);
    if (!us || *us < 0 || *us > 1e12) return bad_line(path, n, text, "a gap in microseconds");
    gaps.push_back(Duration(std::llround(*us * 1000)));
    sum += gaps.back();
  }
  if (gaps.empty() || sum == Duration::zero())
    return Error{Code::kInvalidArgument,
                 path + " holds no gap above 0: one number of microseconds a line is wanted"};
  return gaps;
}

Result<std::vector<Duration>> read_trace(const std::string& path) {
  ASSIGN_OR_RETURN(std::ifstream file, open(path));
  std::string line;
  size_t n = 0, index = 0;
  double unit = 1;
  bool headed = false;
  std::vector<double> times;
  while (std::getline(file, line)) {
    ++n;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.starts_with('#')) continue;
    if (!headed && times.empty() && !number(column(text, 0))) {
      headed = true;
      bool found = false;
      const size_t columns = std::count(text.begin(), text.end(), ',') + 1;
      for (size_t c = 0; c < columns && !found; ++c) {
        std::string name(column(text, c));
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char x) { return tolower(x); });
        const std::string_view stem = std::string_view(name).substr(0, name.find('_'));
        if (stem != "time" && stem != "timestamp" && stem != "offset" && stem != "arrival")
          continue;
        found = true;
        index = c;
        unit = name.ends_with("_ms")   ? 1e-3
               : name.ends_with("_us") ? 1e-6
               : name.ends_with("_ns") ? 1e-9
                                       : 1;
      }
      if (!found)
        return Error{
            Code::kInvalidArgument,
            path + " has no column named time, timestamp, offset or arrival; its header is '" +
                std::string(text.substr(0, 80)) + "'"};
      continue;
    }
    const auto value = number(column(text, index));
    if (!value)
      return bad_line(path, n, text, "a row with a time in column " + std::to_string(index + 1));
    times.push_back(*value * unit);
  }
  if (times.empty()) return Error{Code::kInvalidArgument, path + " holds no arrival"};
  std::sort(times.begin(), times.end());
  std::vector<Duration> offsets;
  offsets.reserve(times.size());
  for (const double t : times) {
    if (t - times.front() > 1e9)
      return Error{Code::kInvalidArgument,
                   path + " spans more than 30 years; is the unit of its times right?"};
    offsets.push_back(Duration(std::llround((t - times.front()) * 1e9)));
  }
  return offsets;
}

}  // namespace corolla::load
