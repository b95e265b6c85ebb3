#include "engine/null/service_time.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace corolla::engine {
namespace {

constexpr double kMostUs = 600e6;

Result<double> number(const std::string& option, std::string_view text, double most) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      !(value >= 0 && value <= most))
    return Error{Code::kInvalidArgument, option + ": '" + std::string(text) +
                                             "' is not a number from 0 to " +
                                             std::to_string(static_cast<uint64_t>(most))};
  return value;
}

Result<double> option_number(const std::map<std::string, std::string>& options,
                             const std::string& name, double otherwise, double most = kMostUs) {
  const auto found = options.find(name);
  if (found == options.end()) return otherwise;
  return number(name, found->second, most);
}

}  // namespace

bool ServiceTime::is_option(const std::string& name) {
  for (const char* known :
       {"delay_us", "delay_row_us", "delay_table", "delay_seed", "stall_every", "stall_us"})
    if (name == known) return true;
  return false;
}

Result<ServiceTime> ServiceTime::from_options(const std::map<std::string, std::string>& options) {
  ServiceTime made;
  ASSIGN_OR_RETURN(made.base_us_, option_number(options, "delay_us", 0));
  ASSIGN_OR_RETURN(made.row_us_, option_number(options, "delay_row_us", 0));
  ASSIGN_OR_RETURN(made.stall_us_, option_number(options, "stall_us", 50000));
  ASSIGN_OR_RETURN(const double every, option_number(options, "stall_every", 0, 1e12));
  ASSIGN_OR_RETURN(const double seed, option_number(options, "delay_seed", 1, 1e15));
  made.stall_every_ = static_cast<uint64_t>(every);
  made.random_.seed(static_cast<uint64_t>(seed));

  const auto found = options.find("delay_table");
  if (found == options.end()) return made;
  std::string_view left = found->second;
  double weights = 0;
  while (!left.empty()) {
    const size_t end = left.find_first_of(";,");
    std::string_view piece = left.substr(0, end);
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    const size_t colon = piece.find(':');
    if (colon == std::string_view::npos)
      return Error{Code::kInvalidArgument, "delay_table: '" + std::string(piece) + "' has no ':'"};
    const bool quantile = piece[0] == 'p';
    if (!made.table_.empty() && quantile != made.quantiles_)
      return Error{Code::kInvalidArgument,
                   "delay_table mixes quantiles (p50:1000) and weights (1000:90)"};
    made.quantiles_ = quantile;
    if (quantile) {
      ASSIGN_OR_RETURN(const double percent,
                       number("delay_table", piece.substr(1, colon - 1), 100));
      ASSIGN_OR_RETURN(const double us, number("delay_table", piece.substr(colon + 1), kMostUs));
      if (!made.table_.empty() && percent / 100 <= made.table_.back().at)
        return Error{Code::kInvalidArgument, "delay_table: quantiles must rise"};
      made.table_.push_back({percent / 100, us});
    } else {
      ASSIGN_OR_RETURN(const double us, number("delay_table", piece.substr(0, colon), kMostUs));
      ASSIGN_OR_RETURN(const double weight, number("delay_table", piece.substr(colon + 1), 1e12));
      weights += weight;
      made.table_.push_back({weights, us});
    }
  }
  if (made.table_.empty() || (!made.quantiles_ && weights <= 0))
    return Error{Code::kInvalidArgument, "delay_table is empty"};
  if (!made.quantiles_)
    for (Point& point : made.table_) point.at /= weights;
  return made;
}

Duration ServiceTime::next(int rows) {
  double us = base_us_ + row_us_ * rows;
  if (!table_.empty()) {
    const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
    const auto above =
        std::find_if(table_.begin(), table_.end(), [&](const Point& p) { return p.at > u; });
    if (above == table_.end()) {
      us += table_.back().us;
    } else if (!quantiles_ || above == table_.begin()) {
      us += above->us;
    } else {
      const Point& low = above[-1];
      us += low.us + (above->us - low.us) * (u - low.at) / (above->at - low.at);
    }
  }
  if (stall_every_ != 0 && ++batches_ % stall_every_ == 0) us += stall_us_;
  return Duration(static_cast<int64_t>(us * 1e3));
}

}  // namespace corolla::engine
