// The header blocks and trailers of HTTP/2 answers, handed to nghttp2: for gRPC calls and for plain
// requests. Threads: the session's.
#pragma once
#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "wire/compression.h"

namespace corolla::wire {

// Before a gRPC call's messages. `coding`: that of those which are compressed, if any may be.
void submit_grpc_head(nghttp2_session* session, int32_t stream, std::optional<Coding> coding,
                      const nghttp2_data_provider& messages);
// Behind them. `error`: null for success.
void submit_grpc_trailers(nghttp2_session* session, int32_t stream, const Error* error);
// Instead of both, when there is no message.
void submit_grpc_trailers_only(nghttp2_session* session, int32_t stream, const Error* error);

struct H2HttpHead {
  int status = 200;
  size_t length = 0;              // of the body
  std::string_view content_type;  // of a body that is not empty
  std::optional<size_t> json_size;
  bool retry_after = false;
};
// `body`: null for none.
void submit_http_head(nghttp2_session* session, int32_t stream, const H2HttpHead& head,
                      const nghttp2_data_provider* body);

}  // namespace corolla::wire
