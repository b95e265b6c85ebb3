// Structured logs: one line a life event, none a request unless a client's trace settings ask. Each
// line has a level, a short event name and key=value fields.
//
//   log::info("worker_ready", {{"worker", 3}, {"model", "flower"}, {"ms", 118}});
//
// On a terminal or by default: "12:00:01.123 INFO  front  worker_ready worker=3 model=flower
// ms=118"; after set_json(true) one JSON object a line. Lines go to standard error. Thread-safe.
// spdlog does the writing.
#pragma once
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace corolla::log {

enum class Level { kDebug, kInfo, kWarn, kError };

struct Field {
  std::string_view key;
  std::string value;
  bool quoted;  // a string in JSON, not a number
  Field(std::string_view k, std::string_view v) : key(k), value(v), quoted(true) {}
  Field(std::string_view k, const char* v) : key(k), value(v), quoted(true) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v), quoted(true) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  template <class N>
  requires std::is_arithmetic_v<N> Field(std::string_view k, N v)
      : key(k), value(std::to_string(v)), quoted(false) {}
};

// Call once, first: the process's name in each line ("keeper", "front", "worker 3").
void init(std::string_view process, bool json, Level least);

// From now on lines (without their end) go to `output` instead of standard error. It may be called
// on any thread, one at a time.
void set_output(std::function<void(std::string_view line)> output);

// Any time, any thread: the least level that is written from now on.
void set_level(Level least);

void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});
inline void debug(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kDebug, e, f);
}
inline void info(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kInfo, e, f);
}
inline void warn(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kWarn, e, f);
}
inline void error(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kError, e, f);
}

}  // namespace corolla::log
