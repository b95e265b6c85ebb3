#include "wire/client_http_parser.h"

#include <string.h>

#include <algorithm>
#include <charconv>

namespace corolla::wire {
namespace {

Error bad(std::string what) {
  return {Code::kUnavailable, "the server's answer is not HTTP/1.1: " + std::move(what)};
}

bool same_name(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

bool contains_token(std::string_view value, std::string_view lower) {
  for (size_t at = 0; at + lower.size() <= value.size(); ++at)
    if (same_name(value.substr(at, lower.size()), lower)) return true;
  return false;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<size_t> number(std::string_view text, int base = 10) {
  size_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::span<std::byte> HttpAnswerParser::room() {
  size_t want = 4096;
  if (head_ != 0 && framing_ == Framing::kLength)
    want = std::max<size_t>(1, head_ + length_ - used_);
  if (buffer_.size() < used_ + want) buffer_.resize(std::max(buffer_.size() * 2, used_ + want));
  return std::span(buffer_).subspan(used_);
}

Result<bool> HttpAnswerParser::filled(size_t n) {
  used_ += n;
  return advance();
}

Result<bool> HttpAnswerParser::advance() {
  while (head_ == 0) {
    const std::string_view text(reinterpret_cast<const char*>(buffer_.data()), used_);
    const size_t blank = text.find("\r\n\r\n", scanned_);
    if (blank == text.npos) {
      scanned_ = used_ < 3 ? 0 : used_ - 3;
      if (used_ > kMaxHeadBytes)
        return bad("its head is longer than " + std::to_string(kMaxHeadBytes) + " bytes");
      return false;
    }
    ASSIGN_OR_RETURN(const bool final_head, parse_head(blank + 4));
    if (final_head) break;
    // A 1xx answer: forget it and read on.
    memmove(buffer_.data(), buffer_.data() + blank + 4, used_ - blank - 4);
    used_ -= blank + 4;
    scanned_ = 0;
  }
  switch (framing_) {
    case Framing::kNone:
      leftover_ = used_ > head_;
      return true;
    case Framing::kLength:
      if (used_ < head_ + length_) return false;
      leftover_ = used_ > head_ + length_;
      return true;
    case Framing::kUntilClose:
      return false;
    case Framing::kChunked:
      return advance_chunks();
  }
  return false;
}

Result<bool> HttpAnswerParser::parse_head(size_t end) {
  std::string_view head(reinterpret_cast<const char*>(buffer_.data()), end - 2);
  std::string_view line = head.substr(0, head.find("\r\n"));
  head.remove_prefix(line.size() + 2);
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ')
    return bad("its first line is '" + std::string(line.substr(0, 60)) + "'");
  const std::optional<size_t> status = number(line.substr(9, 3));
  if (!status || *status < 100)
    return bad("its status is '" + std::string(line.substr(9, 3)) + "'");
  status_ = static_cast<int>(*status);
  keep_alive_ = line[7] != '0';
  framing_ = Framing::kUntilClose;
  json_size_.reset();
  while (!head.empty()) {
    line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    const size_t colon = line.find(':');
    if (colon == line.npos) return bad("a header line has no colon");
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (same_name(name, "content-length")) {
      const auto n = number(value);
      if (!n || *n > kMaxBodyBytes)
        return bad("its Content-Length is '" + std::string(value) + "'");
      if (framing_ == Framing::kChunked) continue;
      framing_ = Framing::kLength;
      length_ = *n;
    } else if (same_name(name, "transfer-encoding") && contains_token(value, "chunked")) {
      framing_ = Framing::kChunked;
    } else if (same_name(name, "connection")) {
      if (contains_token(value, "close")) keep_alive_ = false;
      if (contains_token(value, "keep-alive")) keep_alive_ = true;
    } else if (same_name(name, "inference-header-content-length")) {
      json_size_ = number(value);
    }
  }
  if (status_ < 200) return false;
  if (status_ == 204 || status_ == 304) framing_ = Framing::kNone;
  if (framing_ == Framing::kUntilClose) keep_alive_ = false;
  head_ = end;
  chunk_at_ = end;
  return true;
}

Result<bool> HttpAnswerParser::advance_chunks() {
  const std::string_view text(reinterpret_cast<const char*>(buffer_.data()), used_);
  while (true) {
    const size_t line_end = text.find("\r\n", chunk_at_);
    if (line_end == text.npos) {
      if (used_ - chunk_at_ > 1024) return bad("a chunk's size line is too long");
      return false;
    }
    std::string_view line = text.substr(chunk_at_, line_end - chunk_at_);
    line = trimmed(line.substr(0, line.find(';')));
    const auto size = number(line, 16);
    if (!size || *size > kMaxBodyBytes - chunked_.size())
      return bad("a chunk's size is '" + std::string(line) + "'");
    if (*size == 0) {
      // Trailers, if any, end with a blank line.
      size_t at = line_end + 2;
      while (true) {
        const size_t end = text.find("\r\n", at);
        if (end == text.npos) return false;
        if (end == at) {
          leftover_ = used_ > end + 2;
          return true;
        }
        at = end + 2;
      }
    }
    if (used_ < line_end + 2 + *size + 2) return false;
    if (text.substr(line_end + 2 + *size, 2) != "\r\n")
      return bad("a chunk does not end where it said");
    chunked_.append(text.substr(line_end + 2, *size));
    chunk_at_ = line_end + 2 + *size + 2;
  }
}

Result<bool> HttpAnswerParser::ended() {
  if (head_ != 0 && framing_ == Framing::kUntilClose) {
    length_ = used_ - head_;
    framing_ = Framing::kLength;
    return true;
  }
  return Error{Code::kUnavailable,
               "the server closed the connection in the middle of its answer, after " +
                   std::to_string(used_) + " bytes"};
}

std::span<const std::byte> HttpAnswerParser::body() const {
  if (framing_ == Framing::kChunked) return std::as_bytes(std::span(chunked_));
  if (framing_ == Framing::kNone) return {};
  return std::span(buffer_).subspan(head_, length_);
}

void HttpAnswerParser::reset() {
  used_ = head_ = scanned_ = length_ = chunk_at_ = 0;
  framing_ = Framing::kNone;
  leftover_ = false;
  chunked_.clear();
}

}  // namespace corolla::wire
