#include "serve/front/api_call.h"

#include <algorithm>

#include "serve/front/api_grpc.h"
#include "serve/front/api_http.h"

namespace corolla::front {
namespace {

constexpr size_t kStep = 4096;

}  // namespace

ApiCall::ApiCall(IoThread& io, ApiOperations& operations, wire::Exchange& exchange, Route route)
    : io_(io),
      operations_(operations),
      route_(std::move(route)),
      state_(std::make_shared<State>(State{io, &exchange, this})) {}

wire::BodySink* ApiCall::message(std::optional<size_t> length) {
  if (length.value_or(0) > kMaxApiBody) {
    finish(state_,
           Error{Code::kTooLarge, "the body has " + std::to_string(*length) + " bytes; at most " +
                                      std::to_string(kMaxApiBody) + " are read here"});
    return nullptr;
  }
  return this;
}

std::span<std::byte> ApiCall::room() {
  if (have_ == body_.size()) body_.resize(body_.size() + std::max(kStep, body_.size()));
  return std::as_writable_bytes(std::span(body_)).subspan(have_);
}

Status ApiCall::filled(size_t n) {
  have_ += n;
  if (have_ > kMaxApiBody)
    return Error{Code::kTooLarge,
                 "the body has more than " + std::to_string(kMaxApiBody) + " bytes"};
  return ok();
}

void ApiCall::message_end() {
  if (!state_->exchange) return;
  const std::string_view body(body_.data(), have_);
  auto done = [state = state_](Result<wire::Reply> reply) {
    auto& loop = state->io.loop();
    if (loop.on_loop_thread()) return finish(state, std::move(reply));
    loop.post([state, kept = std::make_shared<Result<wire::Reply>>(std::move(reply))] {
      finish(state, std::move(*kept));
    });
  };
  if (state_->exchange->protocol() == wire::Protocol::kGrpc)
    answer_grpc(operations_, route_, body, std::move(done));
  else
    answer_http(operations_, route_, body, std::move(done));
}

void ApiCall::finish(const std::shared_ptr<State>& state, Result<wire::Reply> reply) {
  wire::Exchange* exchange = std::exchange(state->exchange, nullptr);
  if (!exchange) return;
  ApiCall& call = *state->call;
  exchange->user = nullptr;
  if (reply)
    exchange->reply(*std::move(reply));
  else
    exchange->fail(reply.error());
  call.io_.end(call);
}

}  // namespace corolla::front
