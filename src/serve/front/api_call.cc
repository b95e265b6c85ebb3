#include "serve/front/api_call.h"

#include "serve/front/api.h"

namespace corolla::front {
namespace {

constexpr size_t kMaxBody = size_t{16}
                            << 20;  // a load call may carry a configuration; nothing here is larger
constexpr size_t kStep = 4096;

}  // namespace

wire::BodySink* ApiCall::message(std::optional<size_t> length) {
  if (length.value_or(0) > kMaxBody) {
    exchange_->user = nullptr;
    exchange_->fail({Code::kTooLarge, "the body has " + std::to_string(*length) +
                                          " bytes; at most " + std::to_string(kMaxBody) +
                                          " are read here"});
    exchange_ = nullptr;
    io_.end(*this);
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
  if (have_ > kMaxBody)
    return Error{Code::kTooLarge, "the body has more than " + std::to_string(kMaxBody) + " bytes"};
  return ok();
}

void ApiCall::message_end() {
  if (!exchange_) return;
  exchange_->user = nullptr;
  api_.answer(*exchange_, std::string_view(body_.data(), have_));
  exchange_ = nullptr;
  io_.end(*this);
}

}  // namespace corolla::front
