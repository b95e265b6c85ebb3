#include "wire/http1_output.h"

#include <algorithm>

#include "base/check.h"

namespace corolla::wire {
namespace {

constexpr size_t kMaxParts = 256;  // of one sendmsg; the kernel's limit is 1024

}  // namespace

void Http1Output::interim(std::string_view text) {
  CHECK(!left(), "an interim answer comes before the answer");
  head_ = text;
  parts_.assign(1, {head_.data(), head_.size()});
  at_ = 0;
}

void Http1Output::answer(const ReplyHead& head, std::span<const Piece> body) {
  // Only an interim answer can be left.
  head_.erase(0, head_.size() - (left() ? parts_[at_].iov_len : 0));
  append_reply_head(head, head_);
  parts_.assign(1, {head_.data(), head_.size()});
  at_ = 0;
  for (const Piece& piece : body) {
    if (!piece.owned.empty())
      parts_.push_back({const_cast<char*>(piece.owned.data()), piece.owned.size()});
    if (!piece.borrowed.empty())
      parts_.push_back({const_cast<std::byte*>(piece.borrowed.data()), piece.borrowed.size()});
  }
}

Http1Output::Progress Http1Output::write() {
  Progress progress;
  while (blocked_on_ == 0 && left()) {
    const auto parts = std::span(parts_).subspan(at_, std::min(kMaxParts, parts_.size() - at_));
    size_t offered = 0;
    for (const iovec& part : parts) offered += part.iov_len;
    const IoResult result = stream_.write(parts);
    if (result.state == IoResult::State::kError) {
      progress.broken = true;
      return progress;
    }
    if (result.blocked()) {
      blocked_on_ = result.needs;
      return progress;
    }
    progress.bytes += result.bytes;
    size_t taken = result.bytes;
    while (left() && taken >= parts_[at_].iov_len) taken -= parts_[at_++].iov_len;
    if (taken > 0) {
      parts_[at_].iov_base = static_cast<char*>(parts_[at_].iov_base) + taken;
      parts_[at_].iov_len -= taken;
    }
    if (result.bytes < offered) blocked_on_ = EPOLLOUT;
  }
  return progress;
}

}  // namespace corolla::wire
