// An exchange of the API beside inference: its body, small, is collected; then the operation
// answers, at once or later.
#pragma once
#include <memory>
#include <string>

#include "serve/front/api_operations.h"
#include "serve/front/api_route.h"
#include "serve/front/call.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

class ApiCall final : public Call, private wire::BodySink {
 public:
  ApiCall(IoThread& io, ApiOperations& operations, wire::Exchange& exchange, Route route);

  wire::BodySink* message(std::optional<size_t> length) override;
  void message_end() override;
  void cancelled() override { state_->exchange = nullptr; }
  void completed(InferTask&, const Arrival&) override {}
  void refused(InferTask&, const Error&) override {}

 private:
  // Outlives the call: an operation's answer may come when the client has gone.
  struct State {
    IoThread& io;
    wire::Exchange* exchange;
    ApiCall* call;
  };
  std::span<std::byte> room() override;
  Status filled(size_t n) override;
  static void finish(const std::shared_ptr<State>& state, Result<wire::Reply> reply);

  IoThread& io_;
  ApiOperations& operations_;
  const Route route_;
  std::shared_ptr<State> state_;
  std::string body_;
  size_t have_ = 0;
};

}  // namespace corolla::front
