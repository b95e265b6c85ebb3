#include "wire/body_feed.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace corolla::wire {

void BodyFeed::begin(BodySink* sink, Coding coding, size_t limit) {
  sink_ = sink;
  coding_ = coding;
  limit_ = limit;
  produced_ = 0;
  blocked_ = false;
  if (coding == Coding::kIdentity || !sink) return;
  if (inflater_) {
    inflater_->reset(coding);
  } else {
    inflater_ = std::make_unique<Inflater>(coding);
  }
}

std::span<std::byte> BodyFeed::direct_room() {
  if (!sink_ || coding_ != Coding::kIdentity) return {};
  return sink_->room();
}

Result<size_t> BodyFeed::take(std::span<const std::byte> data) {
  blocked_ = false;
  if (!sink_) return data.size();
  if (coding_ != Coding::kIdentity) return inflate(data);
  size_t done = 0;
  while (done < data.size()) {
    if (!sink_) return data.size();  // the handler has answered meanwhile
    const std::span<std::byte> room = sink_->room();
    if (room.empty()) {
      blocked_ = true;
      break;
    }
    const size_t n = std::min(room.size(), data.size() - done);
    // The transport may have read straight into the room.
    if (room.data() != data.data() + done) std::memcpy(room.data(), data.data() + done, n);
    RETURN_IF_ERROR(sink_->filled(n));
    done += n;
  }
  return done;
}

Result<size_t> BodyFeed::inflate(std::span<const std::byte> data) {
  size_t done = 0;
  while (true) {
    if (!sink_) return data.size();  // the handler has answered meanwhile
    const std::span<std::byte> room = sink_->room();
    ASSIGN_OR_RETURN(const Inflater::Progress progress, inflater_->run(data.subspan(done), room));
    done += progress.consumed;
    produced_ += progress.produced;
    if (produced_ > limit_)
      return Error{Code::kTooLarge, "the message is over " + std::to_string(limit_) +
                                        " bytes once decompressed: that is the limit"};
    if (progress.produced > 0) RETURN_IF_ERROR(sink_->filled(progress.produced));
    if (progress.produced > 0 || progress.consumed > 0) continue;
    blocked_ = room.empty() && !inflater_->ended();
    return done;
  }
}

Result<bool> BodyFeed::end() {
  blocked_ = false;
  if (!sink_ || coding_ == Coding::kIdentity) return true;
  ASSIGN_OR_RETURN([[maybe_unused]] const size_t none, inflate({}));
  if (blocked_) return false;
  if (sink_ && !inflater_->ended())
    return Error{Code::kInvalidArgument,
                 "the " + std::string(coding_name(coding_)) + " data of the message is cut short"};
  return true;
}

}  // namespace corolla::wire
