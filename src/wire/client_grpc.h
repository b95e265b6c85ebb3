// gRPC for clients: unary calls on one HTTP/2 connection (nghttp2), any number at a time.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/client_address.h"
#include "wire/client_call.h"
#include "wire/event_loop.h"

namespace corolla::wire {

enum class GrpcCompression : uint8_t { kNone, kGzip, kDeflate };

// A call of `method` ("ModelInfer") of the inference service, whose message is made of `pieces`.
// Borrowed pieces stay borrowed, unless the message is compressed: that happens here, once, however
// often the call is sent.
std::shared_ptr<ClientCall> make_grpc_call(std::string_view method, std::vector<Piece> pieces,
                                           ClientHeaders headers = {},
                                           GrpcCompression compression = GrpcCompression::kNone);

// Calls beyond the server's limit of concurrent streams wait inside. When the connection is lost,
// all its calls fail with kUnavailable and the next one connects anew. Answers must be uncompressed
// (no grpc-accept-encoding is sent).
std::unique_ptr<ClientConnection> make_grpc_connection(EventLoop& loop,
                                                       const ClientAddress& address);

}  // namespace corolla::wire
