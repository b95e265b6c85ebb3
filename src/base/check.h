// CHECK(condition[, detail]): for what only a bug of ours can break. Prints the place and aborts:
// the supervisor restarts the process, and a core dump shows where. Never for anything that a
// caller, a file or the network can cause.
#pragma once
#include <string_view>

namespace corolla {
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view detail = {});
}

#define CHECK(condition, ...)   \
  (static_cast<bool>(condition) \
       ? void(0)                \
       : ::corolla::check_failed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__))
