// An exchange of the API beside inference: its body, small, is collected; then the Api answers.
#pragma once
#include <string>

#include "serve/front/call.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

class Api;

class ApiCall final : public Call, private wire::BodySink {
 public:
  ApiCall(IoThread& io, Api& api, wire::Exchange& exchange)
      : io_(io), api_(api), exchange_(&exchange) {}

  wire::BodySink* message(std::optional<size_t> length) override;
  void message_end() override;
  void cancelled() override { exchange_ = nullptr; }
  void completed(InferTask&, const Arrival&) override {}
  void refused(InferTask&, const Error&) override {}

 private:
  std::span<std::byte> room() override;
  Status filled(size_t n) override;

  IoThread& io_;
  Api& api_;
  wire::Exchange* exchange_;
  std::string body_;
  size_t have_ = 0;
};

}  // namespace corolla::front
