#include "serve/worker/reply_slot.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace corolla::worker {
namespace {
link::TensorTable& table(std::span<std::byte> slot) {
  return *reinterpret_cast<link::TensorTable*>(slot.data());
}
}  // namespace

ReplySlot::ReplySlot(std::span<std::byte> slot, uint64_t offset, uint64_t wanted)
    : slot_(slot), offset_(offset), wanted_(wanted) {}

bool ReplySlot::fits(uint64_t region_bytes, uint64_t offset, uint64_t capacity) {
  return offset >= link::kReplyDataOffset && offset % link::kTensorAlign == 0 &&
         offset <= region_bytes && capacity <= region_bytes - offset &&
         capacity >= link::kTableBytes;
}

std::span<std::byte> ReplySlot::room(size_t output, DType dtype, std::span<const int64_t> shape,
                                     size_t bytes) {
  CHECK(wants(output) && shape.size() <= link::kMaxDims && count_ < link::kMaxTensors);
  const uint64_t at = (needed_ + link::kTensorAlign - 1) / link::kTensorAlign * link::kTensorAlign;
  CHECK(bytes <= UINT64_MAX / 2 - at);
  needed_ = at + bytes;
  if (too_small()) return {};
  link::TensorRecord& record = table(slot_).tensors[count_++];
  record = {.index = static_cast<uint32_t>(output),
            .dtype = dtype,
            .dims = static_cast<uint8_t>(shape.size()),
            .region = 0,
            .offset = offset_ + at,
            .bytes = bytes};
  std::copy(shape.begin(), shape.end(), record.shape);
  return slot_.subspan(at, bytes);
}

void ReplySlot::finish(uint32_t rows) {
  CHECK(!too_small());
  table(slot_).count = count_;
  table(slot_).rows = rows;
}

uint64_t ReplySlot::fail(std::string_view sentence) {
  if (slot_.size() < link::kTableBytes) return 0;
  table(slot_).count = 0;
  const size_t length = std::min(sentence.size(), slot_.size() - link::kTableBytes);
  std::memcpy(slot_.data() + link::kTableBytes, sentence.data(), length);
  return length;
}

}  // namespace corolla::worker
