// The framing of a chunked HTTP/1.1 body, read strictly: it eats sizes, line ends and trailers, and
// tells where body bytes lie, which the caller moves himself (straight from the socket, if he
// likes). Pure. Input is hostile: http1_head_fuzz.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace corolla::wire {

class ChunkReader {
 public:
  // Eats framing at the beginning of `input` and returns how many bytes. Afterwards either
  // data_left() > 0 (the next bytes are the body's: move some and say took()), or done(), or all of
  // the input was eaten and more is needed. kInvalidArgument for anything but: hex size of at most
  // 15 digits, optional extension, CR LF; data, CR LF; trailers of at most 8 KB, whose contents are
  // dropped.
  Result<size_t> eat(std::string_view input);

  uint64_t data_left() const { return state_ == State::kData ? left_ : 0; }
  void took(uint64_t n);  // REQUIRES: n <= data_left()
  bool done() const { return state_ == State::kDone; }
  void reset() { *this = ChunkReader(); }

 private:
  enum class State : uint8_t {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailer,
    kTrailerLf,
    kEndLf,
    kDone
  };
  State state_ = State::kSize;
  uint64_t left_ = 0;
  unsigned digits_ = 0;
  size_t extra_ = 0;  // bytes of this chunk's extension, or of the trailers
};

}  // namespace corolla::wire
