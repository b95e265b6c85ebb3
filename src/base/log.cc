#include "base/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>
#include <utility>

namespace corolla::log {
namespace {

constexpr const char* kHumanPattern = "%H:%M:%S.%e %v";
constexpr const char* kJsonPattern = "%v";

bool g_json = false;
std::string g_process = "corolla";

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      static constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

spdlog::logger& logger() {
  static auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("corolla",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(kHumanPattern);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

class FunctionSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> output)
      : output_(std::move(output)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string_view text(line.data(), line.size());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    output_(text);
  }
  void flush_() override {}

 private:
  std::function<void(std::string_view)> output_;
};

bool needs_quotes(std::string_view text) {
  return text.empty() || text.find_first_of(" \t\n\r\"=") != std::string_view::npos;
}

}  // namespace

void init(std::string_view process, bool json, Level least) {
  g_process = process;
  g_json = json;
  logger().set_pattern(json ? kJsonPattern : kHumanPattern);
  logger().set_level(to_spdlog(least));
}

void set_output(std::function<void(std::string_view line)> output) {
  logger().sinks() = {std::make_shared<FunctionSink>(std::move(output))};
  logger().set_pattern(g_json ? kJsonPattern : kHumanPattern);
}

void set_level(Level least) { logger().set_level(to_spdlog(least)); }

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  auto& out = logger();
  if (!out.should_log(to_spdlog(level))) return;
  static constexpr std::string_view kNames[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
  std::string_view name = kNames[static_cast<int>(level)];
  std::string line;
  if (g_json) {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    line = "{\"time_ms\":" + std::to_string(ms) + ",\"level\":\"";
    line += name.substr(0, name.find(' '));
    line += "\",\"process\":";
    append_json_string(line, g_process);
    line += ",\"event\":";
    append_json_string(line, event);
    for (const auto& field : fields) {
      line += ',';
      append_json_string(line, field.key);
      line += ':';
      if (field.quoted)
        append_json_string(line, field.value);
      else
        line += field.value;
    }
    line += '}';
  } else {
    line.append(name).append(" ").append(g_process).append(": ").append(event);
    for (const auto& field : fields) {
      line.append(" ").append(field.key).append("=");
      if (field.quoted && needs_quotes(field.value))
        append_json_string(line, field.value);
      else
        line += field.value;
    }
  }
  out.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace corolla::log
