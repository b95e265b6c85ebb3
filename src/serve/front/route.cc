#include "serve/front/route.h"

#include "serve/front/api_call.h"
#include "serve/front/grpc_infer_call.h"
#include "serve/front/http_infer_call.h"
#include "wire/client_status.h"

namespace corolla::front {
namespace {

constexpr std::string_view kService = "/inference.GRPCInferenceService/";

struct InferPath {
  std::string model, version;
};

// "/v2/models/M/infer" or "/v2/models/M/versions/V/infer".
std::optional<InferPath> infer_path(std::string_view path) {
  constexpr std::string_view kBegin = "/v2/models/", kEnd = "/infer", kVersions = "/versions/";
  if (!path.starts_with(kBegin) || !path.ends_with(kEnd) ||
      path.size() < kBegin.size() + kEnd.size())
    return std::nullopt;
  path = path.substr(kBegin.size(), path.size() - kBegin.size() - kEnd.size());
  InferPath found;
  if (const size_t at = path.find(kVersions); at != path.npos) {
    found.version = wire::percent_decode(path.substr(at + kVersions.size()));
    path = path.substr(0, at);
  }
  if (path.empty() || path.find('/') != path.npos) return std::nullopt;
  found.model = wire::percent_decode(path);
  return found;
}

std::unique_ptr<Call> infer_over_http(IoThread& io, wire::Exchange& exchange,
                                      const InferPath& path) {
  auto model = io.shared().models.find(path.model, path.version);
  if (!model) {
    exchange.fail(model.error());
    return nullptr;
  }
  return std::make_unique<HttpInferCall>(io, exchange, *std::move(model));
}

}  // namespace

std::unique_ptr<Call> route(IoThread& io, Api& api, wire::Exchange& exchange) {
  const std::string_view path = exchange.path();
  if (exchange.protocol() == wire::Protocol::kGrpc) {
    if (path.starts_with(kService)) {
      const std::string_view method = path.substr(kService.size());
      if (method == "ModelInfer") return std::make_unique<GrpcInferCall>(io, exchange, false);
      if (method == "ModelStreamInfer") return std::make_unique<GrpcInferCall>(io, exchange, true);
    }
  } else if (const auto infer = infer_path(path); infer && exchange.method() == "POST") {
    return infer_over_http(io, exchange, *infer);
  }
  return std::make_unique<ApiCall>(io, api, exchange);
}

}  // namespace corolla::front
