// From the head of a request to the Call that serves it: inference goes to the infer calls,
// /metrics to the page, everything else to the API.
#pragma once
#include <functional>
#include <memory>

#include "serve/front/api_operations.h"
#include "serve/front/call.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

struct Routes {
  ApiOperations& operations;
  std::function<std::string()> metrics_page;  // any I/O thread
};

// nullptr when the exchange has been answered at once. Thread: the exchange's loop.
std::unique_ptr<Call> route(IoThread& io, const Routes& routes, wire::Exchange& exchange);

}  // namespace corolla::front
