#include "wire/http1_chunks.h"

#include <string>

namespace corolla::wire {
namespace {

constexpr unsigned kMaxDigits = 15;  // 60 bits
constexpr size_t kMaxExtension = 256;
constexpr size_t kMaxTrailers = 8 << 10;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7F) || c == '\t';
}

Error bad(const char* what) {
  return {Code::kInvalidArgument, std::string("chunked body: ") + what};
}

}  // namespace

Result<size_t> ChunkReader::eat(std::string_view input) {
  size_t at = 0;
  for (; at < input.size(); ++at) {
    const char c = input[at];
    switch (state_) {
      case State::kSize:
        if (const int digit = hex(c); digit >= 0) {
          if (++digits_ > kMaxDigits) return bad("a chunk's size has more than 15 hex digits");
          left_ = left_ << 4 | static_cast<uint64_t>(digit);
        } else if (digits_ == 0) {
          return bad("a chunk does not begin with its size in hex digits");
        } else if (c == '\r') {
          state_ = State::kSizeLf;
        } else if (c == ';') {
          state_ = State::kExtension;
        } else {
          return bad("a chunk's size is followed by neither ';' nor CR LF");
        }
        break;
      case State::kExtension:
        if (c == '\r') {
          state_ = State::kSizeLf;
        } else if (!is_text(c) || ++extra_ > kMaxExtension) {
          return bad("a chunk's extension is longer than 256 bytes or holds a control character");
        }
        break;
      case State::kSizeLf:
        if (c != '\n') return bad("a chunk's size line does not end in CR LF");
        digits_ = 0;
        extra_ = 0;
        state_ = left_ == 0 ? State::kTrailerStart : State::kData;
        break;
      case State::kData:
        return at;
      case State::kDataCr:
        if (c != '\r') return bad("a chunk is longer than its size says");
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        if (c != '\n') return bad("a chunk does not end in CR LF");
        state_ = State::kSize;
        break;
      case State::kTrailerStart:
        if (c == '\r') {
          state_ = State::kEndLf;
          break;
        }
        if (c == ' ' || c == '\t') return bad("a trailer is continued on the next line");
        state_ = State::kTrailer;
        [[fallthrough]];
      case State::kTrailer:
        if (c == '\r') {
          state_ = State::kTrailerLf;
        } else if (!is_text(c) || ++extra_ > kMaxTrailers) {
          return bad("the trailers are longer than 8192 bytes or hold a control character");
        }
        break;
      case State::kTrailerLf:
        if (c != '\n') return bad("a trailer does not end in CR LF");
        state_ = State::kTrailerStart;
        break;
      case State::kEndLf:
        if (c != '\n') return bad("the body does not end in CR LF");
        state_ = State::kDone;
        break;
      case State::kDone:
        return at;
    }
  }
  return at;
}

void ChunkReader::took(uint64_t n) {
  CHECK(state_ == State::kData && n <= left_);
  left_ -= n;
  if (left_ == 0) state_ = State::kDataCr;
}

}  // namespace corolla::wire
