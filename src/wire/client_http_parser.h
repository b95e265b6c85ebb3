// Reads one HTTP/1.1 answer at a time: strict where it matters for framing, indifferent to headers
// that it does not need. Thread-safe: no state but its own.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace corolla::wire {

class HttpAnswerParser {
 public:
  static constexpr size_t kMaxHeadBytes = 64 << 10;
  static constexpr size_t kMaxBodyBytes = size_t{1} << 31;

  // Where the next bytes from the socket belong; never empty.
  std::span<std::byte> room();

  // `n` bytes were written at the beginning of room(). True once the answer is complete. An Error
  // says what is wrong with it.
  Result<bool> filled(size_t n);

  // The server closed: true if that completes the answer (one without a length), else an Error.
  Result<bool> ended();

  // After completion.
  int status() const { return status_; }
  bool keep_alive() const { return keep_alive_; }
  std::optional<size_t> json_size() const { return json_size_; }
  std::span<const std::byte> body() const;

  // Nothing of an answer has come yet.
  bool fresh() const { return used_ == 0; }
  // Ready for the next answer. Bytes beyond the last one's end are an error of the server's: the
  // connection must be closed then.
  bool has_leftover() const { return leftover_; }
  void reset();

 private:
  enum class Framing { kLength, kChunked, kUntilClose, kNone };

  Result<bool> advance();
  Result<bool> parse_head(size_t end);
  Result<bool> advance_chunks();

  std::vector<std::byte> buffer_;
  size_t used_ = 0;
  size_t head_ = 0;     // bytes of the head including the blank line; 0: not complete
  size_t scanned_ = 0;  // for the blank line
  Framing framing_ = Framing::kNone;
  size_t length_ = 0;
  int status_ = 0;
  bool keep_alive_ = true;
  bool leftover_ = false;
  std::optional<size_t> json_size_;
  std::string chunked_;  // the body put together, for kChunked
  size_t chunk_at_ = 0;  // next byte in buffer_ to look at, for kChunked
};

}  // namespace corolla::wire
