#include "wire/grpc_infer_walker.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>

#include "wire/grpc_fields.h"

namespace corolla::wire {
namespace {

constexpr std::string_view kMessage = "ModelInferRequest";
constexpr uint32_t kRawInputContents = 7;
// Offered to the transport where the next field is not known: what of a payload falls into it is
// copied twice.
constexpr size_t kSip = 1024;
// Offered at most while a long field (typed contents) is taken into the head.
constexpr size_t kGulp = 64 << 10;

std::string_view top_field_name(uint32_t field) {
  constexpr std::string_view kNames[] = {"",        "model_name",        "model_version",
                                         "id",      "parameters",        "inputs",
                                         "outputs", "raw_input_contents"};
  return field < std::size(kNames) ? kNames[field] : std::string_view();
}

}  // namespace

GrpcInferWalker::GrpcInferWalker(const GrpcInferLimits& limits, Place place)
    : limits_(limits), place_(std::move(place)) {}

void GrpcInferWalker::begin(std::optional<size_t> length, size_t max_length) {
  if (capacity_ >
      kGulp) {  // one message with large typed contents does not keep its memory for ever
    head_.reset();
    capacity_ = 0;
  }
  size_ = scan_ = need_ = scan_offset_ = received_ = 0;
  length_ = length;
  max_length_ = max_length;
  segments_.clear();
  in_payload_ = waiting_ = false;
  raw_.clear();
  error_.reset();
  parsed_.reset();
  next_typed_ = typed_index_ = 0;
}

std::string_view GrpcInferWalker::unread() const {
  return {reinterpret_cast<const char*>(head_.get()) + scan_, size_ - scan_};
}

Status GrpcInferWalker::fail(Error error) {
  if (!error_) error_ = std::move(error);
  return *error_;
}

// Room for `n` more bytes behind size_.
void GrpcInferWalker::reserve(size_t n) {
  if (capacity_ - size_ >= n) return;
  const size_t capacity = std::max({2 * capacity_, size_ + n, 2 * kSip});
  auto bigger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  if (size_ > 0) std::memcpy(bigger.get(), head_.get(), size_);
  head_ = std::move(bigger);
  capacity_ = capacity;
}

// Takes `n` bytes at scan_ out of the head: they are kept elsewhere, or not needed.
void GrpcInferWalker::drop_front(size_t n) {
  std::memmove(head_.get() + scan_, head_.get() + scan_ + n, size_ - scan_ - n);
  size_ -= n;
  scan_offset_ += n;
}

std::span<std::byte> GrpcInferWalker::room() {
  // A place that had no room may have it now. An error is kept for filled() to tell.
  if (waiting_) (void)scan().ok();
  if (waiting_ && !error_) return {};
  if (in_payload_ && !error_)
    return payload_.subspan(payload_filled_, payload_bytes_ - payload_filled_);
  size_t want = need_ > size_ ? std::min(need_ - size_, kGulp) : kSip;
  if (length_ && *length_ > received_) want = std::min(want, *length_ - received_);
  reserve(want);
  return {head_.get() + size_, want};
}

Status GrpcInferWalker::filled(size_t n) {
  if (error_) return *error_;
  received_ += n;
  if (in_payload_) {
    CHECK(!waiting_ && n <= payload_bytes_ - payload_filled_);
    payload_filled_ += n;
    scan_offset_ += n;
    if (payload_filled_ < payload_bytes_) return ok();
    raw_.push_back(payload_.first(payload_bytes_));
    in_payload_ = false;
    return ok();
  }
  CHECK(n <= capacity_ - size_);
  size_ += n;
  return scan();
}

Status GrpcInferWalker::begin_payload(size_t header, size_t length, size_t field_offset) {
  if (raw_.size() == limits_.tensors)
    return fail({Code::kTooLarge,
                 "ModelInferRequest has more than " + std::to_string(limits_.tensors) +
                     " raw_input_contents (at offset " + std::to_string(field_offset) + ")"});
  drop_front(header);
  if (length == 0) {
    raw_.emplace_back();
    return ok();
  }
  in_payload_ = waiting_ = true;
  payload_bytes_ = length;
  payload_filled_ = 0;
  return ok();
}

// Finds a place for the payload if it has none, and moves what of it lies in the head.
Status GrpcInferWalker::place_payload() {
  if (waiting_) {
    Result<std::span<std::byte>> place = place_(raw_.size(), payload_bytes_);
    if (!place.ok()) return fail(std::move(place).error());
    if (place->empty()) return ok();
    CHECK(place->size() >= payload_bytes_);
    payload_ = *place;
    waiting_ = false;
  }
  const size_t n = std::min(size_ - scan_, payload_bytes_ - payload_filled_);
  if (n > 0) {
    std::memcpy(payload_.data() + payload_filled_, head_.get() + scan_, n);
    drop_front(n);
    payload_filled_ += n;
  }
  if (payload_filled_ == payload_bytes_) {
    raw_.push_back(payload_.first(payload_bytes_));
    in_payload_ = false;
  }
  return ok();
}

// Understands as much of head_[scan_, size_) as can be.
Status GrpcInferWalker::scan() {
  while (true) {
    if (error_) return *error_;
    if (in_payload_) {
      RETURN_IF_ERROR(place_payload());
      if (in_payload_) return ok();
      continue;
    }
    if (need_ > size_ || scan_ == size_) return ok();
    if (need_ > 0) {  // the field has come whole
      scan_offset_ += need_ - scan_;
      scan_ = need_;
      need_ = 0;
      continue;
    }
    const std::string_view in = unread();
    const Varint tag = read_varint(in);
    if (tag.length == 0) return ok();
    const auto broken = [&](uint32_t field, std::string_view problem) {
      return fail(field_error(kMessage, top_field_name(field), scan_offset_, problem));
    };
    if (tag.length == Varint::kBad || tag.value > UINT32_MAX)
      return broken(0, "a field's tag is over 32 bits");
    const auto field = static_cast<uint32_t>(tag.value >> 3);
    const auto type = static_cast<uint32_t>(tag.value & 7);
    if (field == 0) return broken(0, "a field has the number 0");
    if (field <= kRawInputContents && type != static_cast<uint32_t>(WireType::kLength))
      return broken(field, "the wire type is " + std::string(wire_type_name(type)) +
                               ", not length-delimited");

    size_t header = tag.length, length = 0;
    switch (static_cast<WireType>(type)) {
      case WireType::kFixed32:
        length = 4;
        break;
      case WireType::kFixed64:
        length = 8;
        break;
      case WireType::kVarint:
      case WireType::kLength: {
        const Varint v = read_varint(in.substr(tag.length));
        if (v.length == 0) return ok();
        if (v.length == Varint::kBad) return broken(field, "a varint is over 64 bits");
        header += v.length;
        if (static_cast<WireType>(type) == WireType::kVarint) break;
        const size_t left =
            length_ ? *length_ - std::min(*length_, scan_offset_ + header) : max_length_;
        if (v.value > left)
          return broken(field, "the value claims " + std::to_string(v.value) + " bytes; at most " +
                                   std::to_string(left) + " can follow");
        length = v.value;
        break;
      }
      default:
        return broken(field,
                      "the wire type " + std::string(wire_type_name(type)) + " is not accepted");
    }
    if (field == kRawInputContents) {
      RETURN_IF_ERROR(begin_payload(header, length, scan_offset_));
      continue;
    }
    if (scan_ + header + length > limits_.head_bytes)
      return fail({Code::kTooLarge, "ModelInferRequest." + std::string(top_field_name(field)) +
                                        " at offset " + std::to_string(scan_offset_) +
                                        ": fields other than raw_input_contents take over " +
                                        std::to_string(limits_.head_bytes) +
                                        " bytes; send the tensors' values in raw_input_contents"});
    if (segments_.empty() ||
        segments_.back().offset - segments_.back().begin != scan_offset_ - scan_)
      segments_.push_back({scan_, scan_offset_});
    need_ = scan_ + header + length;
  }
}

Result<std::optional<InferRequest>> GrpcInferWalker::finish() {
  RETURN_IF_ERROR(scan());
  if (waiting_) return std::optional<InferRequest>();
  if (in_payload_)
    return field_error(kMessage, "raw_input_contents", scan_offset_,
                       "the message ends " + std::to_string(payload_bytes_ - payload_filled_) +
                           " bytes before the value does");
  if (scan_ != size_)
    return field_error(kMessage, "", scan_offset_, "the message ends inside this field");

  if (!parsed_) {
    std::vector<MessageSegment> segments;
    segments.reserve(segments_.size());
    for (size_t i = 0; i < segments_.size(); ++i) {
      const size_t end = i + 1 < segments_.size() ? segments_[i + 1].begin : scan_;
      segments.push_back({{reinterpret_cast<const char*>(head_.get()) + segments_[i].begin,
                           end - segments_[i].begin},
                          segments_[i].offset});
    }
    Result<InferHead> head = parse_infer_head(segments, raw_.size(), limits_);
    if (!head.ok()) return Status(fail(std::move(head).error())).error();
    parsed_ = *std::move(head);
    for (size_t i = 0; i < parsed_->raw_inputs.size(); ++i)
      parsed_->request.inputs[parsed_->raw_inputs[i]].bytes = raw_[i];
  }
  if (raw_.empty()) {
    for (; next_typed_ < parsed_->typed.size(); ++next_typed_) {
      InputTensor& input = parsed_->request.inputs[next_typed_];
      const TypedContents& typed = parsed_->typed[next_typed_];
      if (input.shm) continue;
      ASSIGN_OR_RETURN(const int64_t elements, element_count(input.shape));
      ASSIGN_OR_RETURN(const TypedSize size, measure_typed_contents(typed, input.dtype));
      if (size.elements != static_cast<uint64_t>(elements)) {
        return Error{Code::kInvalidArgument,
                     "input '" + input.name.substr(0, 128) + "': its shape " +
                         shape_text(input.shape) + " has " + std::to_string(elements) +
                         " elements, but " + std::to_string(size.elements) +
                         " values were sent (in raw_input_contents, in contents or in shared "
                         "memory, each needs all of them)"};
      }
      if (size.bytes == 0) continue;
      ASSIGN_OR_RETURN(const std::span<std::byte> place, place_(typed_index_, size.bytes));
      if (place.empty()) return std::optional<InferRequest>();
      CHECK(place.size() >= size.bytes);
      write_typed_contents(typed, input.dtype, place);
      input.bytes = place.first(size.bytes);
      ++typed_index_;
    }
  }
  std::optional<InferRequest> request(std::move(parsed_->request));
  parsed_.reset();
  return request;
}

}  // namespace corolla::wire
