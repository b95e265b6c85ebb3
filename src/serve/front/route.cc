#include "serve/front/route.h"

#include "serve/front/api_call.h"
#include "serve/front/api_http.h"
#include "serve/front/grpc_infer_call.h"
#include "serve/front/health_watch_call.h"
#include "serve/front/http_infer_call.h"
#include "serve/front/metrics.h"

namespace corolla::front {
namespace {

std::unique_ptr<Call> route_http_exchange(IoThread& io, const Routes& routes,
                                          wire::Exchange& exchange) {
  if (exchange.path() == "/metrics" && exchange.method() == "GET") {
    wire::Reply reply;
    reply.pieces.emplace_back(routes.metrics_page());
    reply.content_type = Metrics::kContentType;
    exchange.reply(std::move(reply));
    return nullptr;
  }
  auto found = route_http(exchange.method(), exchange.path());
  if (found.status != 200) {
    exchange.reply(not_routed(found));
    return nullptr;
  }
  if (found.route.operation != Operation::kInfer)
    return std::make_unique<ApiCall>(io, routes.operations, exchange, std::move(found.route));
  auto model = io.shared().models.find(found.route.model, found.route.version);
  if (!model) {
    exchange.fail(model.error());
    return nullptr;
  }
  return std::make_unique<HttpInferCall>(io, exchange, *std::move(model));
}

}  // namespace

std::unique_ptr<Call> route(IoThread& io, const Routes& routes, wire::Exchange& exchange) {
  if (exchange.protocol() == wire::Protocol::kHttp)
    return route_http_exchange(io, routes, exchange);
  if (exchange.path() == "/grpc.health.v1.Health/Watch")
    return std::make_unique<HealthWatchCall>(io, routes.operations, exchange);
  auto found = route_grpc(exchange.path());
  if (!found) {
    exchange.fail(found.error());
    return nullptr;
  }
  if (found->operation == Operation::kInfer || found->operation == Operation::kStreamInfer)
    return std::make_unique<GrpcInferCall>(io, exchange,
                                           found->operation == Operation::kStreamInfer);
  return std::make_unique<ApiCall>(io, routes.operations, exchange, *std::move(found));
}

}  // namespace corolla::front
