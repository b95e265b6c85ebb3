#include "serve/front/settings.h"

#include <algorithm>
#include <charconv>

namespace corolla::front {
namespace {

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

const TraceSettings::Values& trace_defaults() {
  static const TraceSettings::Values defaults = {
      {"trace_file", {""}},    {"trace_level", {"OFF"}}, {"trace_rate", {"1000"}},
      {"trace_count", {"-1"}}, {"log_frequency", {"0"}}, {"trace_mode", {"triton"}},
  };
  return defaults;
}

bool traces(const std::vector<std::string>& levels) {
  return std::find_if(levels.begin(), levels.end(), [](const std::string& level) {
           return level == "TIMESTAMPS" || level == "MAX";
         }) != levels.end();
}

bool is_whole_number(const std::string& text, int64_t least) {
  int64_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() && value >= least;
}

Status check_trace(const std::string& key, const std::vector<std::string>& values) {
  auto defaults = trace_defaults().find(key);
  if (defaults == trace_defaults().end())
    return invalid("Unknown trace setting '" + key.substr(0, 80) + "'");
  if (key == "trace_level") {
    for (const std::string& level : values)
      if (level != "OFF" && level != "TIMESTAMPS" && level != "TENSORS" && level != "MIN" &&
          level != "MAX")
        return invalid("Unknown trace level '" + level.substr(0, 80) +
                       "'; it can be OFF, TIMESTAMPS or TENSORS");
    return ok();
  }
  if (values.size() != 1)
    return invalid("trace setting '" + key + "' takes one value, not " +
                   std::to_string(values.size()));
  const std::string& value = values[0];
  // These two say where to and how traces are written, which is the operator's choice.
  if (key == "trace_file" || key == "trace_mode") {
    if (value == defaults->second[0]) return ok();
    return Error{Code::kUnsupported,
                 "trace setting '" + key + "' can not be updated through network protocol"};
  }
  int64_t least = key == "trace_count" ? -1 : 0;
  if (!is_whole_number(value, least))
    return invalid("trace setting '" + key + "' is '" + value.substr(0, 80) +
                   "', which is not a whole number of at least " + std::to_string(least));
  return ok();
}

}  // namespace

TraceSettings::TraceSettings() : global_(trace_defaults()) {}

TraceSettings::Values TraceSettings::get(const std::string& model) const {
  std::lock_guard lock(mutex_);
  Values values = global_;
  if (auto it = models_.find(model); it != models_.end())
    for (const auto& [key, own] : it->second) values[key] = own;
  return values;
}

Status TraceSettings::update(const std::string& model, const TraceUpdate& update) {
  for (const auto& [key, values] : update) {
    if (values) {
      RETURN_IF_ERROR(check_trace(key, *values));
    } else if (!trace_defaults().contains(key)) {
      return invalid("Unknown trace setting '" + key.substr(0, 80) + "'");
    }
  }
  std::lock_guard lock(mutex_);
  for (const auto& [key, values] : update) {
    if (model.empty())
      global_[key] = values ? *values : trace_defaults().at(key);
    else if (values)
      models_[model][key] = *values;
    else if (auto it = models_.find(model); it != models_.end())
      it->second.erase(key);
  }
  bool on = traces(global_["trace_level"]);
  for (const auto& [name, own] : models_)
    if (auto level = own.find("trace_level"); level != own.end()) on |= traces(level->second);
  on_ = on;
  return ok();
}

const std::vector<std::string>& TraceSettings::value(const std::string& model,
                                                     const std::string& key) const {
  if (auto it = models_.find(model); it != models_.end())
    if (auto own = it->second.find(key); own != it->second.end()) return own->second;
  return global_.at(key);
}

bool TraceSettings::sample(const std::string& model) {
  if (!on_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  if (!traces(value(model, "trace_level"))) return false;
  // Checked when they were set.
  const int64_t rate = std::max<int64_t>(1, std::stoll(value(model, "trace_rate")[0]));
  if (answered_[model]++ % static_cast<uint64_t>(rate) != 0) return false;
  const int64_t left = std::stoll(value(model, "trace_count")[0]);
  if (left < 0) return true;
  if (left == 0) return false;
  auto own = models_.find(model);
  const bool has_own = own != models_.end() && own->second.contains("trace_count");
  (has_own ? own->second : global_)["trace_count"] = {std::to_string(left - 1)};
  return true;
}

LogValues LogSettings::get() const {
  std::lock_guard lock(mutex_);
  return values_;
}

Status LogSettings::update(const LogUpdate& update) {
  if (update.log_format && *update.log_format != "default" && *update.log_format != "ISO8601")
    return invalid("log_format '" + update.log_format->substr(0, 80) +
                   "' is neither 'default' nor 'ISO8601'");
  std::lock_guard lock(mutex_);
  if (update.log_file && *update.log_file != values_.log_file)
    return Error{Code::kUnsupported,
                 "log file location can not be updated through network protocol"};
  if (update.log_format) values_.log_format = *update.log_format;
  if (update.log_info) values_.log_info = *update.log_info;
  if (update.log_warning) values_.log_warning = *update.log_warning;
  if (update.log_error) values_.log_error = *update.log_error;
  if (update.log_verbose_level) values_.log_verbose_level = *update.log_verbose_level;
  return ok();
}

log::Level LogSettings::log_level() const {
  std::lock_guard lock(mutex_);
  if (values_.log_verbose_level > 0) return log::Level::kDebug;
  if (values_.log_info) return log::Level::kInfo;
  if (values_.log_warning) return log::Level::kWarn;
  return log::Level::kError;
}

}  // namespace corolla::front
