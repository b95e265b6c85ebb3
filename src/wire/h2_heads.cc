#include "wire/h2_heads.h"

#include <array>
#include <string>

#include "wire/error_map.h"
#include "wire/grpc_headers.h"

namespace corolla::wire {
namespace {

// A header whose texts nghttp2 need not copy: they are static.
nghttp2_nv fixed(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// A header whose value nghttp2 copies.
nghttp2_nv varying(std::string_view name, std::string_view value) {
  nghttp2_nv nv = fixed(name, value);
  nv.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
  return nv;
}

}  // namespace

void submit_grpc_head(nghttp2_session* session, int32_t stream, std::optional<Coding> coding,
                      const nghttp2_data_provider& messages) {
  std::array<nghttp2_nv, 4> nv = {fixed(":status", "200"),
                                  fixed("content-type", "application/grpc"),
                                  fixed("grpc-accept-encoding", kGrpcAcceptEncoding)};
  size_t count = 3;
  if (coding) nv[count++] = fixed("grpc-encoding", coding_name(*coding));
  nghttp2_submit_response(session, stream, nv.data(), count, &messages);
}

void submit_grpc_trailers(nghttp2_session* session, int32_t stream, const Error* error) {
  if (error == nullptr) {
    const nghttp2_nv nv = fixed("grpc-status", "0");
    nghttp2_submit_trailer(session, stream, &nv, 1);
    return;
  }
  const std::string code = std::to_string(static_cast<int>(grpc_code(error->code)));
  const std::string message = percent_encode(error->what);
  const nghttp2_nv nv[] = {varying("grpc-status", code), varying("grpc-message", message)};
  nghttp2_submit_trailer(session, stream, nv, 2);
}

void submit_grpc_trailers_only(nghttp2_session* session, int32_t stream, const Error* error) {
  const std::string code = std::to_string(error ? static_cast<int>(grpc_code(error->code)) : 0);
  const std::string message = error ? percent_encode(error->what) : std::string();
  const nghttp2_nv nv[] = {fixed(":status", "200"), fixed("content-type", "application/grpc"),
                           varying("grpc-status", code), varying("grpc-message", message)};
  nghttp2_submit_response(session, stream, nv, error ? 4 : 3, nullptr);
}

void submit_http_head(nghttp2_session* session, int32_t stream, const H2HttpHead& head,
                      const nghttp2_data_provider* body) {
  const std::string code = std::to_string(head.status);
  const std::string length = std::to_string(head.length);
  const std::string json_length = std::to_string(head.json_size.value_or(0));
  const std::string retry = std::to_string(kRetryAfterSeconds);
  std::array<nghttp2_nv, 5> nv = {varying(":status", code), varying("content-length", length)};
  size_t count = 2;
  if (head.length > 0) nv[count++] = fixed("content-type", head.content_type);
  if (head.json_size) nv[count++] = varying("inference-header-content-length", json_length);
  if (head.retry_after) nv[count++] = varying("retry-after", retry);
  nghttp2_submit_response(session, stream, nv.data(), count, body);
}

}  // namespace corolla::wire
