// Bytes read and not yet understood: written at the end, taken from the front, in one piece of
// memory that grows only when asked. Threads: one owner.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "base/check.h"

namespace corolla::wire {

class InputBuffer {
 public:
  explicit InputBuffer(size_t capacity) { reallocate(capacity); }

  std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t capacity() const { return capacity_; }
  bool full() const { return size() == capacity_; }

  // Free memory behind the bytes; moves them to the front first when that makes it larger by much.
  // Empty only when full().
  std::span<std::byte> room() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ > 0 && capacity_ - end_ < capacity_ / 2) {
      memmove(data_.get(), data_.get() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    return {reinterpret_cast<std::byte*>(data_.get() + end_), capacity_ - end_};
  }
  void wrote(size_t n) {
    CHECK(n <= capacity_ - end_);
    end_ += n;
  }
  void consume(size_t n) {
    CHECK(n <= size());
    begin_ += n;
  }
  void append(std::string_view text) {
    if (text.empty()) return;
    if (text.size() > capacity_ - size()) reallocate(size() + text.size());
    if (text.size() > capacity_ - end_) reallocate(capacity_);
    memcpy(data_.get() + end_, text.data(), text.size());
    end_ += text.size();
  }
  void clear() { begin_ = end_ = 0; }
  // REQUIRES: capacity >= size().
  void reallocate(size_t capacity) {
    CHECK(capacity >= size());
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    const size_t kept = size();
    if (kept > 0) memcpy(data.get(), data_.get() + begin_, kept);
    data_ = std::move(data);
    capacity_ = capacity;
    begin_ = 0;
    end_ = kept;
  }

 private:
  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace corolla::wire
