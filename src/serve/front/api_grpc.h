// The gRPC form of the operations beside inference.
#pragma once
#include <string_view>

#include "serve/front/api_http.h"
#include "serve/front/api_operations.h"
#include "serve/front/api_route.h"

namespace corolla::front {

// As answer_http(), for a message of the method that `route` came from.
void answer_grpc(ApiOperations& operations, const Route& route, std::string_view message,
                 ApiDone done);

}  // namespace corolla::front
