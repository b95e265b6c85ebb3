#include "wire/grpc_typed_contents.h"

#include <array>
#include <cstring>
#include <limits>

#include "wire/grpc_fields.h"

namespace corolla::wire {
namespace {

constexpr std::array<std::string_view, 9> kLists = {"",
                                                    "bool_contents",
                                                    "int_contents",
                                                    "int64_contents",
                                                    "uint_contents",
                                                    "uint64_contents",
                                                    "fp32_contents",
                                                    "fp64_contents",
                                                    "bytes_contents"};

// The field of InferTensorContents that carries `dtype`; 0: none does.
uint32_t list_for(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return 1;
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
      return 2;
    case DType::kInt64:
      return 3;
    case DType::kUint8:
    case DType::kUint16:
    case DType::kUint32:
      return 4;
    case DType::kUint64:
      return 5;
    case DType::kFp32:
      return 6;
    case DType::kFp64:
      return 7;
    case DType::kBytes:
      return 8;
    case DType::kFp16:
    case DType::kBf16:
      return 0;
  }
  return 0;
}

bool is_fixed(uint32_t list) { return list == 6 || list == 7; }

// Counts the elements, or writes them when it has been given a place.
class Sink {
 public:
  explicit Sink(std::byte* to) : to_(to) {}

  template <class T>
  void put(T value) {
    if (to_) std::memcpy(to_ + size_.bytes, &value, sizeof value);
    size_.bytes += sizeof value;
    ++size_.elements;
  }
  void put_text(std::string_view text) {
    if (to_) {
      const auto length = static_cast<uint32_t>(text.size());
      std::memcpy(to_ + size_.bytes, &length, sizeof length);
      if (!text.empty()) std::memcpy(to_ + size_.bytes + sizeof length, text.data(), text.size());
    }
    size_.bytes += sizeof(uint32_t) + text.size();
    ++size_.elements;
  }
  // `fixed` holds whole elements of `width` bytes.
  void put_fixed(std::string_view fixed, size_t width) {
    if (to_ && !fixed.empty()) std::memcpy(to_ + size_.bytes, fixed.data(), fixed.size());
    size_.bytes += fixed.size();
    size_.elements += fixed.size() / width;
  }
  const TypedSize& size() const { return size_; }

 private:
  std::byte* to_;
  TypedSize size_;
};

template <class T, class Wide>
bool put_narrow(Wide value, Sink& sink) {
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return false;
  sink.put(static_cast<T>(value));
  return true;
}

// One varint as an element. False: it does not fit the type.
bool put_varint(DType dtype, uint64_t raw, Sink& sink) {
  // Protobuf's own rule: 32-bit fields take the low half of what was sent.
  const auto i32 = static_cast<int32_t>(raw);
  const auto u32 = static_cast<uint32_t>(raw);
  switch (dtype) {
    case DType::kBool:
      sink.put(static_cast<uint8_t>(raw != 0));
      return true;
    case DType::kInt8:
      return put_narrow<int8_t>(i32, sink);
    case DType::kInt16:
      return put_narrow<int16_t>(i32, sink);
    case DType::kInt32:
      sink.put(i32);
      return true;
    case DType::kUint8:
      return put_narrow<uint8_t>(u32, sink);
    case DType::kUint16:
      return put_narrow<uint16_t>(u32, sink);
    case DType::kUint32:
      sink.put(u32);
      return true;
    default:
      sink.put(raw);
      return true;
  }
}

Result<TypedSize> walk(const TypedContents& contents, DType dtype, std::byte* to) {
  const uint32_t wanted = list_for(dtype);
  FieldReader in(contents.bytes, contents.offset, contents.message);
  Sink sink(to);
  const auto put = [&](uint64_t raw, std::string_view name) {
    if (!put_varint(dtype, raw, sink))
      in.fail(name, "element " + std::to_string(sink.size().elements) + " does not fit " +
                        std::string(dtype_name(dtype)));
  };
  while (in.next()) {
    const uint32_t field = in.field();
    if (field >= kLists.size()) {
      in.skip();
      continue;
    }
    const std::string_view name = kLists[field];
    if (field != wanted) {
      in.fail(name, "the tensor's datatype is " + std::string(dtype_name(dtype)) +
                        ", whose values belong in " +
                        (wanted ? std::string(kLists[wanted]) : std::string("raw_input_contents")));
    } else if (field == 8) {
      sink.put_text(in.bytes(name));
    } else if (in.type() == WireType::kLength) {  // packed
      std::string_view packed = in.bytes(name);
      if (is_fixed(field)) {
        const size_t width = field == 6 ? 4 : 8;
        if (packed.size() % width != 0) {
          in.fail(name, std::to_string(packed.size()) +
                            " bytes are no whole number of elements of " + std::to_string(width));
        } else {
          sink.put_fixed(packed, width);
        }
      }
      while (!is_fixed(field) && !packed.empty() && !in.failed()) {
        const Varint v = read_varint(packed);
        if (v.length == 0 || v.length == Varint::kBad) {
          in.fail(name,
                  v.length == 0 ? "the list ends inside a varint" : "a varint is over 64 bits");
          break;
        }
        packed.remove_prefix(v.length);
        put(v.value, name);
      }
    } else if (field == 6) {
      const uint32_t value = in.fixed32(name);
      if (!in.failed()) sink.put(value);
    } else if (field == 7) {
      const uint64_t value = in.fixed64(name);
      if (!in.failed()) sink.put(value);
    } else {
      const uint64_t value = in.varint(name);
      if (!in.failed()) put(value, name);
    }
  }
  if (in.failed()) return in.error();
  return sink.size();
}

}  // namespace

Result<TypedSize> measure_typed_contents(const TypedContents& contents, DType dtype) {
  return walk(contents, dtype, nullptr);
}

void write_typed_contents(const TypedContents& contents, DType dtype, std::span<std::byte> to) {
  const Result<TypedSize> written = walk(contents, dtype, to.data());
  CHECK(written.ok() && written->bytes <= to.size());
}

}  // namespace corolla::wire
