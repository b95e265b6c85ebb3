#include "engine/external/settings.h"

#include <charconv>

namespace corolla::engine {
namespace {

Error bad(const std::string& name, const std::string& value, const std::string& may_be) {
  return {Code::kInvalidArgument,
          "option '" + name + "' of the external engine is '" + value + "'; it may be " + may_be};
}

// "500ms", "60s", "2m".
Result<Duration> duration(const std::string& name, const std::string& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  if (error == std::errc() && number >= 0 && number <= 86'400'000) {
    if (unit == "ms") return Duration(std::chrono::milliseconds(number));
    if (unit == "s" && number <= 86'400) return Duration(std::chrono::seconds(number));
    if (unit == "m" && number <= 1'440) return Duration(std::chrono::minutes(number));
  }
  return bad(name, text, "a time of at most a day, such as 500ms, 60s or 2m");
}

}  // namespace

Result<ExternalSettings> read_settings(const std::map<std::string, std::string>& options) {
  ExternalSettings settings;
  for (const auto& [name, value] : options) {
    if (name == "command") {
      settings.command = value;
    } else if (name == "cleanup") {
      settings.cleanup = value;
    } else if (name == "protocol") {
      if (value != "http" && value != "grpc") return bad(name, value, "http or grpc");
      settings.protocol = value == "http" ? wire::Protocol::kHttp : wire::Protocol::kGrpc;
    } else if (name == "ready") {
      ASSIGN_OR_RETURN(settings.ready, duration(name, value));
    } else if (name == "stop") {
      ASSIGN_OR_RETURN(settings.stop, duration(name, value));
    } else if (name == "instances") {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), settings.instances);
      if (error != std::errc() || end != value.data() + value.size() || settings.instances < 1 ||
          settings.instances > 64)
        return bad(name, value, "1 to 64");
    } else {
      return Error{Code::kInvalidArgument,
                   "the external engine has no option '" + name +
                       "'; it has command, cleanup, protocol, ready, stop and instances"};
    }
  }
  if (settings.command.empty())
    return Error{Code::kInvalidArgument,
                 "the external engine needs the option 'command': how to start the server, such as "
                 "tritonserver --model-repository=/models --http-port={http_port}"};
  return settings;
}

}  // namespace corolla::engine
