#include "wire/grpc_infer_encode.h"

#include <string>

namespace corolla::wire {
namespace {

// Outputs up to this size are copied: cheaper than one more piece.
constexpr size_t kCopyBelow = 2048;

constexpr char length_tag(int field) { return static_cast<char>(field << 3 | 2); }

size_t varint_size(uint64_t v) {
  size_t n = 1;
  for (; v >= 0x80; v >>= 7) ++n;
  return n;
}

void put_varint(std::string& to, uint64_t v) {
  for (; v >= 0x80; v >>= 7) to.push_back(static_cast<char>(v | 0x80));
  to.push_back(static_cast<char>(v));
}

// A length-delimited field with a number below 16.
size_t field_size(size_t length) { return 1 + varint_size(length) + length; }
void put_head(std::string& to, int field, size_t length) {
  to.push_back(length_tag(field));
  put_varint(to, length);
}
size_t text_size(std::string_view text) { return text.empty() ? 0 : field_size(text.size()); }
void put_text(std::string& to, int field, std::string_view text) {
  if (text.empty()) return;
  put_head(to, field, text.size());
  to += text;
}

size_t shape_size(std::span<const int64_t> shape) {
  size_t n = 0;
  for (int64_t dimension : shape) n += varint_size(static_cast<uint64_t>(dimension));
  return n;
}

size_t output_size(const OutputTensor& output) {
  const size_t shape = shape_size(output.shape);
  return text_size(output.name) + text_size(dtype_name(output.dtype)) +
         (shape ? field_size(shape) : 0);
}

void put_output(std::string& to, const OutputTensor& output) {
  put_text(to, 1, output.name);
  put_text(to, 2, dtype_name(output.dtype));
  if (output.shape.empty()) return;
  put_head(to, 3, shape_size(output.shape));
  for (int64_t dimension : output.shape) put_varint(to, static_cast<uint64_t>(dimension));
}

std::span<const std::byte> raw_bytes(const OutputTensor& output) {
  return output.shm ? std::span<const std::byte>() : output.bytes;
}

// parameters {key: "triton_final_response" value {bool_param: true}}
constexpr std::string_view kFinalKey = "triton_final_response";
constexpr std::string_view kTrueValue("\x08\x01", 2);
size_t final_entry_size() { return field_size(kFinalKey.size()) + field_size(kTrueValue.size()); }
void put_final_entry(std::string& to) {
  put_head(to, 4, final_entry_size());
  put_text(to, 1, kFinalKey);
  put_text(to, 2, kTrueValue);
}

struct Sizes {
  size_t head;  // up to raw_output_contents
  size_t all;
};

Sizes measure(const InferResponse& response, bool final_response) {
  Sizes sizes{};
  sizes.head = text_size(response.model) + text_size(response.version) + text_size(response.id) +
               (final_response ? field_size(final_entry_size()) : 0);
  for (const OutputTensor& output : response.outputs) sizes.head += field_size(output_size(output));
  sizes.all = sizes.head;
  for (const OutputTensor& output : response.outputs)
    sizes.all += field_size(raw_bytes(output).size());
  return sizes;
}

std::vector<Piece> encode(std::string&& begin, const InferResponse& response, const Sizes& sizes,
                          bool final_response) {
  std::vector<Piece> pieces;
  std::string text = std::move(begin);
  text.reserve(text.size() + sizes.head + 64);
  put_text(text, 1, response.model);
  put_text(text, 2, response.version);
  put_text(text, 3, response.id);
  if (final_response) put_final_entry(text);
  for (const OutputTensor& output : response.outputs) {
    put_head(text, 5, output_size(output));
    put_output(text, output);
  }
  for (const OutputTensor& output : response.outputs) {
    const std::span<const std::byte> raw = raw_bytes(output);
    put_head(text, 6, raw.size());
    if (raw.size() <= kCopyBelow) {
      text.append(reinterpret_cast<const char*>(raw.data()), raw.size());
      continue;
    }
    pieces.emplace_back(std::move(text));
    pieces.emplace_back(raw);
    text.clear();
  }
  if (!text.empty()) pieces.emplace_back(std::move(text));
  return pieces;
}

}  // namespace

std::vector<Piece> encode_infer_response(const InferResponse& response, bool final_response) {
  return encode({}, response, measure(response, final_response), final_response);
}

std::vector<Piece> encode_stream_response(const InferResponse& response, bool final_response) {
  const Sizes sizes = measure(response, final_response);
  std::string begin;
  begin.reserve(sizes.head + 80);
  put_head(begin, 2, sizes.all);
  return encode(std::move(begin), response, sizes, final_response);
}

std::vector<Piece> encode_stream_error(std::string_view message, std::string_view id) {
  std::string text;
  put_text(text, 1, message);
  if (!id.empty()) {
    put_head(text, 2, text_size(id));
    put_text(text, 3, id);
  }
  std::vector<Piece> pieces;
  pieces.emplace_back(std::move(text));
  return pieces;
}

}  // namespace corolla::wire
