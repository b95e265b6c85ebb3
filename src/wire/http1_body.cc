#include "wire/http1_body.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace corolla::wire {

void Http1Body::begin(std::optional<uint64_t> length, Coding coding, size_t limit) {
  chunked_ = !length;
  left_ = length.value_or(0);
  limit_ = limit;
  received_ = inflated_ = 0;
  done_ = false;
  chunks_.reset();
  // An empty body is no gzip stream, yet a client may name the coding of nothing.
  inflating_ = coding != Coding::kIdentity && length != 0;
  if (!inflating_) return;
  if (inflater_)
    inflater_->reset(coding);
  else
    inflater_ = std::make_unique<Inflater>(coding);
}

Http1Body::Outcome Http1Body::feed(InputBuffer& in, BodySink* const& sink) {
  while (true) {
    if (!take_framing(in)) return Outcome::kFailed;
    const bool all_came = chunked_ ? chunks_.done() : left_ == 0;
    const size_t available = std::min<uint64_t>(in.size(), data_left());
    if (inflating_ && sink != nullptr && (available > 0 || all_came)) {
      const Outcome outcome = inflate_into(in, available, sink);
      if (outcome != Outcome::kMore) return outcome;
      continue;
    }
    if (all_came) {
      done_ = true;
      return Outcome::kDone;
    }
    if (available == 0) return Outcome::kMore;
    if (sink == nullptr) {
      in.consume(available);
      took(available);
      continue;
    }
    const std::span<std::byte> room = sink->room();
    if (sink == nullptr) continue;
    if (room.empty()) return Outcome::kNoRoom;
    const size_t n = std::min(available, room.size());
    memcpy(room.data(), in.view().data(), n);
    in.consume(n);
    took(n);
    if (Status status = sink->filled(n); !status.ok()) return fail(std::move(status).error());
  }
}

Http1Body::Outcome Http1Body::took_direct(size_t n, BodySink* const& sink) {
  took(n);
  if (sink != nullptr)
    if (Status status = sink->filled(n); !status.ok()) return fail(std::move(status).error());
  return Outcome::kMore;
}

bool Http1Body::take_framing(InputBuffer& in) {
  if (!chunked_ || chunks_.done()) return true;
  const auto eaten = chunks_.eat(in.view());
  if (!eaten.ok()) {
    fail(eaten.error());
    return false;
  }
  in.consume(*eaten);
  return !over_limit(received_ + chunks_.data_left());
}

void Http1Body::took(uint64_t n) {
  received_ += n;
  if (chunked_)
    chunks_.took(n);
  else
    left_ -= n;
}

bool Http1Body::over_limit(uint64_t bytes) {
  if (bytes <= limit_) return false;
  fail({Code::kTooLarge, "the request's body is larger than " + std::to_string(limit_) + " bytes"});
  return true;
}

// kMore: something moved. kDone only from here when inflating.
Http1Body::Outcome Http1Body::inflate_into(InputBuffer& in, size_t available,
                                           BodySink* const& sink) {
  const std::span<std::byte> room = sink->room();
  if (sink == nullptr) return Outcome::kMore;
  const std::string_view input = in.view().substr(0, available);
  const auto progress = inflater_->run(std::as_bytes(std::span(input)), room);
  if (!progress.ok()) return fail(progress.error());
  in.consume(progress->consumed);
  if (progress->consumed > 0) took(progress->consumed);
  inflated_ += progress->produced;
  if (over_limit(inflated_)) return Outcome::kFailed;
  if (progress->produced > 0)
    if (Status status = sink->filled(progress->produced); !status.ok())
      return fail(std::move(status).error());
  if (progress->consumed > 0 || progress->produced > 0) return Outcome::kMore;
  if (inflater_->ended() && available == 0) {
    done_ = true;
    return Outcome::kDone;
  }
  if (room.empty()) return Outcome::kNoRoom;
  return fail({Code::kInvalidArgument, "the request's compressed body is cut short"});
}

Http1Body::Outcome Http1Body::fail(Error error) {
  error_ = std::move(error);
  return Outcome::kFailed;
}

}  // namespace corolla::wire
