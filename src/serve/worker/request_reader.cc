#include "serve/worker/request_reader.h"

#include <algorithm>
#include <cstring>

namespace corolla::worker {
namespace {

Error impossible(const std::string& what) {
  return {Code::kInternal, "the front's request cannot be: " + what};
}

// Its bytes, within the arena or a client's region.
Result<std::span<const std::byte>> find_bytes(const FrontLink& front,
                                              const link::TensorRecord& record,
                                              RequestInputs& out) {
  std::span<const std::byte> whole = front.arena.bytes();
  if (record.region != 0) {
    auto region = front.regions.find(record.region);
    if (!region)
      return Error{Code::kInvalidArgument, "shared memory region " + std::to_string(record.region) +
                                               " is not registered here (any more)"};
    whole = region->bytes();
    out.regions.push_back(std::move(region));
  }
  if (record.offset > whole.size() || record.bytes > whole.size() - record.offset)
    return impossible("tensor bytes " + std::to_string(record.offset) + "+" +
                      std::to_string(record.bytes) + " in a region of " +
                      std::to_string(whole.size()));
  std::span<const std::byte> bytes = whole.subspan(record.offset, record.bytes);
  if (record.region != 0 && record.dtype == DType::kBytes) {
    out.copies.emplace_back(bytes.begin(), bytes.end());
    bytes = out.copies.back();
  }
  return bytes;
}

// Whether the tensor is one that the model takes.
Status check_tensor(const engine::TensorSpec& spec, const link::TensorRecord& record, bool batched,
                    int rows) {
  const std::span<const int64_t> shape(record.shape, record.dims);
  const size_t lead = batched ? 1 : 0;
  bool good = shape.size() == spec.shape.size() + lead && (!batched || shape[0] == rows);
  for (size_t i = 0; good && i < spec.shape.size(); ++i)
    good = shape[i + lead] >= 0 && (spec.shape[i] < 0 || spec.shape[i] == shape[i + lead]);
  if (!good)
    return Error{Code::kInvalidArgument,
                 "input '" + spec.name + "' has shape " + shape_text(shape) + "; the model takes " +
                     shape_text(spec.shape) +
                     (batched ? " after a batch of " + std::to_string(rows) + " rows" : "")};
  if (record.dtype != spec.dtype)
    return Error{Code::kInvalidArgument,
                 "input '" + spec.name + "' is " + std::string(dtype_name(record.dtype)) +
                     "; the model takes " + std::string(dtype_name(spec.dtype))};
  if (spec.dtype == DType::kBytes) return ok();
  ASSIGN_OR_RETURN(const int64_t bytes, byte_count(spec.dtype, shape));
  if (static_cast<uint64_t>(bytes) != record.bytes)
    return Error{Code::kInvalidArgument, "input '" + spec.name + "' has " +
                                             std::to_string(record.bytes) + " bytes; its shape " +
                                             shape_text(shape) + " makes " + std::to_string(bytes)};
  return ok();
}

}  // namespace

bool RequestInputs::broken() const {
  return std::any_of(regions.begin(), regions.end(),
                     [](const auto& region) { return region->broken(); });
}

Status read_request(const FrontLink& front, const link::SubmitEntry& entry,
                    const engine::Model& model, int max_batch, RequestInputs& out) {
  out.inputs.clear();
  out.regions.clear();
  out.copies.clear();
  const auto arena = front.arena.bytes();
  if (entry.slot % link::kTensorAlign != 0 || entry.slot > arena.size() ||
      arena.size() - entry.slot < link::kTableBytes)
    return impossible("slot " + std::to_string(entry.slot) + " in an arena of " +
                      std::to_string(arena.size()));
  std::memcpy(&out.table, arena.data() + entry.slot, sizeof out.table);
  const auto& specs = model.inputs();
  if (out.table.count > link::kMaxTensors)
    return impossible(std::to_string(out.table.count) + " tensors");
  if (out.table.rows == 0 ||
      out.table.rows > (max_batch > 0 ? static_cast<uint32_t>(max_batch) : 1))
    return Error{Code::kInvalidArgument, "the request has " + std::to_string(out.table.rows) +
                                             " rows; the model takes 1 to " +
                                             std::to_string(std::max(1, max_batch))};
  out.rows = static_cast<int>(out.table.rows);
  out.copies.reserve(out.table.count);
  out.inputs.resize(specs.size(), engine::ConstTensor{});
  uint64_t seen = 0;
  for (uint32_t i = 0; i < out.table.count; ++i) {
    const link::TensorRecord& record = out.table.tensors[i];
    if (record.index >= specs.size() || record.dims > link::kMaxDims ||
        record.dtype > DType::kBytes || (seen >> record.index & 1))
      return impossible("tensor " + std::to_string(record.index) + " of " +
                        std::to_string(specs.size()) + " with " + std::to_string(record.dims) +
                        " dimensions");
    seen |= uint64_t{1} << record.index;
    RETURN_IF_ERROR(check_tensor(specs[record.index], record, max_batch > 0, out.rows));
    ASSIGN_OR_RETURN(const auto bytes, find_bytes(front, record, out));
    out.inputs[record.index] = {record.dtype, {record.shape, record.dims}, bytes};
  }
  for (size_t i = 0; i < specs.size(); ++i)
    if (!(seen >> i & 1))
      return Error{Code::kInvalidArgument, "input '" + specs[i].name + "' of the model is missing"};
  return ok();
}

}  // namespace corolla::worker
