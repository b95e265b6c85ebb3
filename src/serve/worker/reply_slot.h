// Writes one request's outputs into its reply slot: the TensorTable at the head, then the tensors,
// each 64-byte aligned. When the slot is too small it goes on counting, so that the front learns
// how much is needed.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/engine.h"
#include "link/shared_layout.h"

namespace corolla::worker {

class ReplySlot final : public engine::ReplyWriter {
 public:
  // `slot` lies at `offset` of the reply region. An empty slot takes nothing: every output is "too
  // small".
  ReplySlot(std::span<std::byte> slot, uint64_t offset, uint64_t wanted);

  // Whether a front's numbers lie in our region and can be used as they must be.
  static bool fits(uint64_t region_bytes, uint64_t offset, uint64_t capacity);

  bool wants(size_t output) const override { return output < 64 && (wanted_ >> output & 1) != 0; }
  std::span<std::byte> room(size_t output, DType dtype, std::span<const int64_t> shape,
                            size_t bytes) override;

  bool too_small() const { return needed_ > slot_.size(); }
  // Bytes from the slot's beginning to the end of the last output, whether there was room or not.
  uint64_t needed() const { return needed_; }
  // Writes the table. REQUIRES: !too_small().
  void finish(uint32_t rows);
  // Instead: a sentence after an empty table, cut to what fits. Returns its length.
  uint64_t fail(std::string_view sentence);

 private:
  std::span<std::byte> slot_;
  uint64_t offset_;
  uint64_t wanted_;
  uint64_t needed_ = link::kTableBytes;
  uint32_t count_ = 0;
};

}  // namespace corolla::worker
