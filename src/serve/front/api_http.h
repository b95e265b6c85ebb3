// The HTTP form of the operations beside inference: JSON bodies in, JSON answers out, worded as
// Triton's clients expect.
#pragma once
#include <functional>
#include <string_view>

#include "base/result.h"
#include "serve/front/api_operations.h"
#include "serve/front/api_route.h"
#include "wire/exchange.h"

namespace corolla::front {

// Bodies of control requests are small, but a load call may carry a configuration.
inline constexpr size_t kMaxApiBody = size_t{16} << 20;

using ApiDone = std::function<void(Result<wire::Reply>)>;

// Answers `route`, which is not for inference. `done` runs exactly once: before this returns, or
// later on a thread of the backend's. An Error is for Exchange::fail(). Thread-safe.
void answer_http(ApiOperations& operations, const Route& route, std::string_view body,
                 ApiDone done);

// The answer to a path that leads nowhere: 404 or 405 with {"error": ...}.
wire::Reply not_routed(const HttpRoute& route);

}  // namespace corolla::front
