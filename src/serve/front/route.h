// From the head of a request to the Call that serves it: inference goes to the infer calls,
// everything else to the API.
#pragma once
#include <memory>

#include "serve/front/call.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

class Api;

// nullptr when the exchange has been answered at once. Thread: the exchange's loop.
std::unique_ptr<Call> route(IoThread& io, Api& api, wire::Exchange& exchange);

}  // namespace corolla::front
