#include "fleet/placement.h"

namespace corolla::fleet {

std::optional<std::vector<std::string>> models_of_slice(
    uint32_t index, const std::vector<std::string>& known,
    const std::map<std::string, uint32_t>& counts) {
  std::vector<std::string> served;
  bool left_out = false;
  for (const std::string& model : known) {
    const auto count = counts.find(model);
    if (count == counts.end() || index < count->second)
      served.push_back(model);
    else
      left_out = true;
  }
  if (!left_out) return std::vector<std::string>();
  if (served.empty()) return std::nullopt;
  return served;
}

}  // namespace corolla::fleet
