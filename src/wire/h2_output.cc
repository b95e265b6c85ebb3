#include "wire/h2_output.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace corolla::wire {
namespace {
constexpr size_t kMaxParts = 128;
constexpr size_t kKeptCapacity = 128 << 10;
}  // namespace

void H2Output::append(std::span<const std::byte> copied) {
  if (copied.empty()) return;
  if (segments_.size() == first_ || segments_.back().borrowed != nullptr)
    segments_.push_back({nullptr, copied_.size(), 0, nullptr});
  copied_.insert(copied_.end(), copied.begin(), copied.end());
  segments_.back().size += copied.size();
  bytes_ += copied.size();
}

void H2Output::append(std::span<const std::byte> borrowed, std::shared_ptr<const void> keep) {
  if (borrowed.empty()) return;
  segments_.push_back({borrowed.data(), 0, borrowed.size(), std::move(keep)});
  bytes_ += borrowed.size();
}

std::span<const iovec> H2Output::parts() {
  parts_.clear();
  for (size_t i = first_; i < segments_.size() && parts_.size() < kMaxParts; ++i) {
    const Segment& s = segments_[i];
    const std::byte* data = s.borrowed ? s.borrowed : copied_.data() + s.at;
    parts_.push_back({const_cast<std::byte*>(data), s.size});
  }
  return parts_;
}

void H2Output::written(size_t n) {
  CHECK(n <= bytes_);
  bytes_ -= n;
  while (n > 0) {
    Segment& s = segments_[first_];
    const size_t step = std::min(n, s.size);
    n -= step;
    s.size -= step;
    if (s.borrowed) {
      s.borrowed += step;
    } else {
      s.at += step;
    }
    if (s.size > 0) break;
    // Letting go runs the owner's release, which must find this object in order.
    const auto keep = std::move(s.keep);
    ++first_;
  }
  if (bytes_ > 0) return;
  segments_.clear();
  first_ = 0;
  if (copied_.capacity() > kKeptCapacity) std::vector<std::byte>().swap(copied_);
  copied_.clear();
}

}  // namespace corolla::wire
