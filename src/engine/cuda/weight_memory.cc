#include "engine/cuda/weight_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "plan/mapped_file.h"

namespace corolla::engine::cuda {
namespace {

// One that another GPU does not have, nor another MIG instance, which is named where it is visible.
Result<std::string> device_id() {
  int device = 0;
  cudaDeviceProp properties;
  CUDA_OR_RETURN("cannot find the device", cudaGetDevice(&device));
  CUDA_OR_RETURN("cannot read what the device is", cudaGetDeviceProperties(&properties, device));
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  std::string text;
  if (visible != nullptr && std::string_view(visible).starts_with("MIG"))
    text = std::string(visible) + " ";
  for (const char byte : properties.uuid.bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

Status compare(const std::byte* there, std::span<const std::byte> ours) {
  constexpr size_t kPiece = 8 << 20;
  ASSIGN_OR_RETURN(const PinnedMemory piece, PinnedMemory::make(kPiece, "comparing weights"));
  for (size_t at = 0; at < ours.size(); at += kPiece) {
    const size_t bytes = std::min(kPiece, ours.size() - at);
    CUDA_OR_RETURN("cannot read shared weights",
                   cudaMemcpy(piece.data(), there + at, bytes, cudaMemcpyDeviceToHost));
    if (std::memcmp(piece.data(), ours.data() + at, bytes) != 0)
      return Error{Code::kInternal, "what another worker shared is not what the plan holds"};
  }
  return ok();
}

}  // namespace

Result<WeightMemory> WeightMemory::make(std::span<const std::byte> weights, MemorySharing* sharing,
                                        const std::string& model) {
  WeightMemory made;
  if (sharing != nullptr && !weights.empty()) {
    const Status shared = made.share(weights, *sharing);
    if (shared.ok() && made.kind_ != Kind::kOwn) return made;
    if (!shared.ok()) {
      (void)cudaGetLastError();
      log::warn("weights_not_shared", {{"model", model}, {"why", shared.error().what}});
    }
    made = WeightMemory();
  }
  ASSIGN_OR_RETURN(made.own_, DeviceMemory::make(weights.size(), "the weights of '" + model + "'"));
  CUDA_OR_RETURN(
      "cannot copy weights to the device",
      cudaMemcpy(made.own_.data(), weights.data(), weights.size(), cudaMemcpyHostToDevice));
  return made;
}

Status WeightMemory::share(std::span<const std::byte> weights, MemorySharing& sharing) {
  ASSIGN_OR_RETURN(const std::string device, device_id());
  const std::string name = "weights " + device + " " + std::to_string(weights.size()) + " " +
                           plan::hash_text(plan::content_hash(weights));
  const std::optional<Fd> found = sharing.want(name);
  if (!found) return ok();
  if (!*found) return make_shared(weights, sharing, name);
  claim_ = Claim(sharing, name);
  return find_shared(weights, *found);
}

Status WeightMemory::make_shared(std::span<const std::byte> weights, MemorySharing& sharing,
                                 const std::string& name) {
  const auto fill = [&]() -> Result<Fd> {
    ASSIGN_OR_RETURN(shared_, ShareableMemory::make(weights.size()));
    CUDA_OR_RETURN(
        "cannot copy weights to the device",
        cudaMemcpy(shared_.data(), weights.data(), weights.size(), cudaMemcpyHostToDevice));
    // A copy from unpinned memory may still be under way when the call returns.
    CUDA_OR_RETURN("cannot copy weights to the device", cudaDeviceSynchronize());
    RETURN_IF_ERROR(shared_.make_read_only());
    return shared_.descriptor();
  };
  Result<Fd> descriptor = fill();
  if (!descriptor.ok()) {
    sharing.made(name, Fd());
    return descriptor.error();
  }
  sharing.made(name, *std::move(descriptor));
  claim_ = Claim(sharing, name);
  kind_ = Kind::kMade;
  return ok();
}

Status WeightMemory::find_shared(std::span<const std::byte> weights, const Fd& descriptor) {
  ASSIGN_OR_RETURN(shared_, ShareableMemory::import(descriptor, weights.size()));
  RETURN_IF_ERROR(compare(shared_.data(), weights));
  kind_ = Kind::kFound;
  return ok();
}

}  // namespace corolla::engine::cuda
