#include "wire/http1_head.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace corolla::wire {
namespace {

// RFC 9110, token: what names and methods are made of.
constexpr std::array<bool, 256> kToken = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return kToken[c]; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls visit(element) for each element of a comma-separated list that is not empty, until it
// returns false.
template <class Visit>
void for_each_element(std::string_view list, Visit visit) {
  while (true) {
    const size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty() && !visit(element)) return;
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

HttpError bad(std::string what) { return {400, std::move(what)}; }

std::string quoted(std::string_view text) {
  std::string result = "'";
  result += text.substr(0, 64);
  if (text.size() > 64) result += "...";
  return result += "'";
}

// A q-value in thousandths ("0.25" -> 250); 1000 when it is absent or no number.
int weight(std::string_view parameters) {
  const size_t at = parameters.find("q=");
  if (at == std::string_view::npos) return 1000;
  std::string_view q = parameters.substr(at + 2);
  if (q.empty() || q[0] != '0') return 1000;
  int value = 0, scale = 100;
  for (size_t i = 2; i < q.size() && scale > 0 && q[1] == '.' && q[i] >= '0' && q[i] <= '9';
       ++i, scale /= 10)
    value += (q[i] - '0') * scale;
  return value;
}

}  // namespace

std::optional<size_t> HeadScanner::scan(std::string_view text) {
  while (looked_at_ < text.size()) {
    const char* lf =
        static_cast<const char*>(memchr(text.data() + looked_at_, '\n', text.size() - looked_at_));
    const size_t at = lf == nullptr ? text.size() : static_cast<size_t>(lf - text.data());
    const bool request_line = line_start_ == 0;
    // The line end itself may lie just beyond the limit.
    if (request_line && at > limits_.max_request_line + 1)
      return refuse(414, "the request line is longer than " +
                             std::to_string(limits_.max_request_line) + " bytes");
    if (at >= limits_.max_head)
      return refuse(431, "the request's headers are longer than " +
                             std::to_string(limits_.max_head) + " bytes");
    looked_at_ = at;
    if (lf == nullptr) return std::nullopt;
    if (at == 0 || text[at - 1] != '\r')
      return refuse(400, "a line of the request's head ends in a bare LF; lines end in CR LF");
    looked_at_ = at + 1;
    const bool empty = at - line_start_ == 1;
    line_start_ = at + 1;
    if (empty) return at + 1;
  }
  return std::nullopt;
}

std::optional<size_t> HeadScanner::refuse(int status, std::string what) {
  error_ = {status, std::move(what)};
  return std::nullopt;
}

void HeadScanner::reset() {
  looked_at_ = line_start_ = 0;
  error_.reset();
}

std::optional<HttpError> Http1Head::parse(std::span<char> text, const HeadLimits& limits) {
  fields_.clear();
  joined_.clear();
  method_ = path_ = query_ = {};
  minor_ = 1;
  keep_alive_ = chunked_ = expects_continue_ = false;
  content_length_.reset();
  body_coding_ = Coding::kIdentity;

  bool first = true;
  size_t start = 0;
  while (true) {
    const std::string_view rest(text.data() + start, text.size() - start);
    const size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return bad("the request's head ends within a line");
    if (end == 0) break;
    const std::span<char> line = text.subspan(start, end);
    if (first) {
      if (auto error = parse_request_line(rest.substr(0, end))) return error;
    } else {
      if (fields_.size() == limits.max_headers)
        return HttpError{
            431, "the request has more than " + std::to_string(limits.max_headers) + " headers"};
      if (auto error = parse_field(line)) return error;
    }
    first = false;
    start += end + 2;
  }
  if (first) return bad("the request line is empty");
  return understand();
}

std::optional<HttpError> Http1Head::parse_request_line(std::string_view line) {
  const size_t space = line.find(' ');
  const size_t second = space == std::string_view::npos ? space : line.find(' ', space + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos)
    return bad("the request line " + quoted(line) + " is not METHOD TARGET HTTP/1.1");
  method_ = line.substr(0, space);
  std::string_view target = line.substr(space + 1, second - space - 1);
  const std::string_view version = line.substr(second + 1);
  if (!is_token(method_))
    return bad("the request's method " + quoted(method_) + " is no HTTP token");
  if (version == "HTTP/1.1") {
    minor_ = 1;
  } else if (version == "HTTP/1.0") {
    minor_ = 0;
  } else if (version.starts_with("HTTP/")) {
    return HttpError{505,
                     "the request's version " + quoted(version) + " is not offered; HTTP/1.1 is"};
  } else {
    return bad("the request line " + quoted(line) + " does not end in HTTP/1.1");
  }
  for (const unsigned char c : target)
    if (c <= 0x20 || c == 0x7F) return bad("the request's target holds a control character");
  // RFC 9112 wants the absolute form understood from anybody, though only proxies are sent it.
  const size_t scheme = same(target.substr(0, 7), "http://")    ? 7
                        : same(target.substr(0, 8), "https://") ? 8
                                                                : 0;
  if (scheme != 0) {
    const size_t slash = target.find_first_of("/?", scheme);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  } else if (target.empty() || (target[0] != '/' && !(target == "*" && method_ == "OPTIONS"))) {
    return bad("the request's target " + quoted(target) + " does not begin with '/'");
  }
  const size_t mark = target.find('?');
  path_ = mark == 0 ? std::string_view("/") : target.substr(0, mark);  // "http://host?query"
  if (mark != std::string_view::npos) query_ = target.substr(mark + 1);
  return std::nullopt;
}

std::optional<HttpError> Http1Head::parse_field(std::span<char> line) {
  const std::string_view view(line.data(), line.size());
  if (view[0] == ' ' || view[0] == '\t')
    return bad("a header is continued on the next line (obs-fold), which is not allowed any more");
  const size_t colon = view.find(':');
  if (colon == std::string_view::npos)
    return bad("the header line " + quoted(view) + " has no colon");
  const std::string_view name = view.substr(0, colon);
  if (!is_token(name)) return bad("the header name " + quoted(name) + " is no HTTP token");
  const std::string_view value = trim(view.substr(colon + 1));
  for (const unsigned char c : value)
    if ((c < 0x20 && c != '\t') || c == 0x7F)
      return bad("the value of header " + quoted(name) + " holds a control character");
  for (char& c : line.first(colon)) c = lower(c);
  fields_.push_back({name, value});
  return std::nullopt;
}

std::optional<HttpError> Http1Head::understand() {
  bool close = false, stay = false, host = false, transfer = false;
  for (const auto& [name, value] : fields_) {
    // By length first: most headers are none of these.
    switch (name.size()) {
      case 4:
        if (name == "host") {
          if (host) return bad("the request has two Host headers");
          host = true;
        }
        break;
      case 6:
        if (name == "expect") {
          if (!same(value, "100-continue"))
            return HttpError{
                417, "the expectation " + quoted(value) + " cannot be met; only 100-continue can"};
          expects_continue_ = minor_ == 1;  // RFC 9110: to be ignored from an HTTP/1.0 client
        }
        break;
      case 10:
        if (name == "connection") {
          close |= list_has(value, "close");
          stay |= list_has(value, "keep-alive");
        }
        break;
      case 14:
        if (name == "content-length") {
          if (content_length_) return bad("the request has two Content-Length headers");
          const auto digit = [](char c) { return c >= '0' && c <= '9'; };
          // 18 digits fit 63 bits without a thought.
          if (value.empty() || value.size() > 18 || !std::ranges::all_of(value, digit))
            return bad("Content-Length " + quoted(value) + " is no number of bytes");
          uint64_t length = 0;
          for (const char c : value) length = length * 10 + static_cast<uint64_t>(c - '0');
          content_length_ = length;
        }
        break;
      case 16:
        if (name == "content-encoding") {
          if (body_coding_ != Coding::kIdentity)
            return HttpError{
                415, "the request's body is encoded twice; once with gzip or deflate is allowed"};
          if (same(value, "gzip") || same(value, "x-gzip")) {
            body_coding_ = Coding::kGzip;
          } else if (same(value, "deflate")) {
            body_coding_ = Coding::kDeflate;
          } else if (!value.empty() && !same(value, "identity")) {
            return HttpError{
                415, "Content-Encoding " + quoted(value) + " is not offered; gzip and deflate are"};
          }
        }
        break;
      case 17:
        if (name == "transfer-encoding") {
          if (transfer) return bad("the request has two Transfer-Encoding headers");
          transfer = true;
          if (!same(value, "chunked"))
            return HttpError{501,
                             "Transfer-Encoding " + quoted(value) + " is not offered; chunked is"};
          chunked_ = true;
        }
        break;
    }
  }
  if (chunked_ && content_length_)
    return bad(
        "the request has both Content-Length and Transfer-Encoding, which leaves its end in doubt");
  if (chunked_ && minor_ == 0) return bad("an HTTP/1.0 request cannot be chunked");
  if (minor_ == 1 && !host) return bad("an HTTP/1.1 request must have a Host header");
  keep_alive_ = !close && (minor_ == 1 || stay);
  return std::nullopt;
}

std::optional<std::string_view> Http1Head::header(std::string_view name) const {
  const auto is_it = [name](const Field& field) { return field.name == name; };
  const auto first = std::ranges::find_if(fields_, is_it);
  if (first == fields_.end()) return std::nullopt;
  auto next = std::find_if(first + 1, fields_.end(), is_it);
  if (next == fields_.end()) return first->value;
  std::string all(first->value);
  for (; next != fields_.end(); next = std::find_if(next + 1, fields_.end(), is_it)) {
    all += ", ";
    all += next->value;
  }
  for (const std::string& before : joined_)
    if (before == all) return before;
  return joined_.emplace_front(std::move(all));
}

bool list_has(std::string_view list, std::string_view token) {
  bool found = false;
  for_each_element(list, [&](std::string_view element) {
    found = same(element, token);
    return !found;
  });
  return found;
}

Coding choose_coding(std::string_view accept_encoding) {
  int gzip = -1, deflate = -1, any = 0;
  for_each_element(accept_encoding, [&](std::string_view element) {
    const size_t semicolon = element.find(';');
    const std::string_view name = trim(element.substr(0, semicolon));
    const int q =
        semicolon == std::string_view::npos ? 1000 : weight(element.substr(semicolon + 1));
    if (same(name, "gzip") || same(name, "x-gzip")) gzip = q;
    if (same(name, "deflate")) deflate = q;
    if (name == "*") any = q;
    return true;
  });
  if (gzip < 0) gzip = any;
  if (deflate < 0) deflate = any;
  if (gzip == 0 && deflate == 0) return Coding::kIdentity;
  return gzip >= deflate ? Coding::kGzip : Coding::kDeflate;
}

}  // namespace corolla::wire
