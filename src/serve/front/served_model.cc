#include "serve/front/served_model.h"

#include <charconv>

#include "link/shared_layout.h"

namespace corolla::front {

std::shared_ptr<const ModelTable::Models> ModelTable::snapshot() const {
  std::lock_guard lock(mutex_);
  return models_;
}

Result<std::shared_ptr<const ServedModel>> ModelTable::find(std::string_view name,
                                                            std::string_view version) const {
  const auto models = snapshot();
  const auto model = models->find(name);
  if (model == models->end() || model->second.empty())
    return Error{Code::kNotFound,
                 "Request for unknown model: '" + std::string(name) + "' is not found"};
  if (version.empty()) return model->second.rbegin()->second;
  int64_t number = 0;
  const auto [end, problem] =
      std::from_chars(version.data(), version.data() + version.size(), number);
  if (problem != std::errc() || end != version.data() + version.size())
    return Error{Code::kInvalidArgument,
                 "failed to get model version from specified version string '" +
                     std::string(version) + "': it is not a number"};
  const auto found = model->second.find(number);
  if (found == model->second.end())
    return Error{Code::kNotFound, "Request for unknown model: '" + std::string(name) +
                                      "' version " + std::to_string(number) + " is not found"};
  return found->second;
}

void ModelTable::put(std::shared_ptr<const ServedModel> model) {
  std::lock_guard lock(mutex_);
  auto next = std::make_shared<Models>(*models_);
  (*next)[model->name][model->version] = model;
  models_ = std::move(next);
}

void ModelTable::remove(std::string_view name, int64_t version) {
  std::lock_guard lock(mutex_);
  auto next = std::make_shared<Models>(*models_);
  if (auto model = next->find(name); model != next->end()) {
    model->second.erase(version);
    if (model->second.empty()) next->erase(model);
  }
  models_ = std::move(next);
}

uint64_t reply_row_bytes(const std::vector<TensorSpec>& outputs) {
  uint64_t total = 0;
  for (const auto& output : outputs) {
    if (output.dtype == DType::kBytes) return 0;
    const auto bytes = byte_count(output.dtype, output.shape);
    if (!bytes) return 0;  // an open dimension
    total += (static_cast<uint64_t>(*bytes) + link::kTensorAlign - 1) / link::kTensorAlign *
             link::kTensorAlign;
  }
  return total;
}

}  // namespace corolla::front
