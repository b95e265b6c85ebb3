// Everything of the protocol beside inference: health, metadata, configuration, statistics,
// repository, shared memory, trace, logging, metrics.
#pragma once
#include <atomic>
#include <string>
#include <string_view>

#include "serve/front/model_manager.h"
#include "serve/front/shared.h"
#include "wire/exchange.h"

namespace corolla::front {

class Api {
 public:
  Api(Shared& shared, wire::EventLoop& control, ModelManager& manager,
      const std::atomic<bool>& ready, std::string server_name)
      : shared_(shared),
        control_(control),
        manager_(manager),
        ready_(ready),
        server_name_(std::move(server_name)) {}

  // Any I/O thread, the exchange's.
  void answer(wire::Exchange& exchange, std::string_view body) {
    (void)body;
    const auto path = exchange.path();
    if (path == "/v2/health/live") return exchange.reply({});
    if (path == "/v2/health/ready") {
      wire::Reply reply;
      reply.http_status = ready_ ? 200 : 400;
      return exchange.reply(std::move(reply));
    }
    exchange.fail({Code::kNotFound, "no such path"});
  }

 private:
  [[maybe_unused]] Shared& shared_;
  [[maybe_unused]] wire::EventLoop& control_;
  [[maybe_unused]] ModelManager& manager_;
  const std::atomic<bool>& ready_;
  const std::string server_name_;
};

}  // namespace corolla::front
