#include "load/metrics_text.h"

#include <algorithm>
#include <cstdlib>

namespace corolla::load {
namespace {

// Reads name{a="b",c="d"} value. False: not such a line.
bool read_line(std::string_view line, MetricSample& sample) {
  const size_t name_end = line.find_first_of("{ ");
  if (name_end == 0 || name_end == line.npos) return false;
  sample.name = line.substr(0, name_end);
  line.remove_prefix(name_end);
  if (line.front() == '{') {
    line.remove_prefix(1);
    while (!line.empty() && line.front() != '}') {
      const size_t equals = line.find("=\"");
      if (equals == line.npos) return false;
      const std::string key(line.substr(0, equals));
      line.remove_prefix(equals + 2);
      std::string value;
      while (!line.empty() && line.front() != '"') {
        if (line.front() == '\\' && line.size() > 1) line.remove_prefix(1);
        value += line.front();
        line.remove_prefix(1);
      }
      if (line.empty()) return false;
      line.remove_prefix(1);
      if (!line.empty() && line.front() == ',') line.remove_prefix(1);
      sample.labels[key] = std::move(value);
    }
    if (line.empty()) return false;
    line.remove_prefix(1);
  }
  const std::string rest(line);
  char* end = nullptr;
  sample.value = std::strtod(rest.c_str(), &end);
  return end != rest.c_str();
}

}  // namespace

std::vector<MetricSample> read_metrics(std::string_view text) {
  std::vector<MetricSample> out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line.front() == '#') continue;
    MetricSample sample;
    if (read_line(line, sample)) out.push_back(std::move(sample));
  }
  return out;
}

std::map<std::string, double> slice_inferences(const std::vector<MetricSample>& samples) {
  // The first family that counts something a slice: Triton's name before others, inferences before
  // requests.
  for (const std::string_view wanted : {"nv_inference_count", "inference", "request"}) {
    std::map<std::string, double> out;
    std::string family;
    for (const MetricSample& sample : samples) {
      const auto slice = sample.labels.find("slice");
      if (slice == sample.labels.end() || sample.name.find(wanted) == std::string::npos) continue;
      if (!sample.name.ends_with("_total") && !sample.name.ends_with("_count")) continue;
      if (sample.name.find("duration") != std::string::npos ||
          sample.name.find("fail") != std::string::npos)
        continue;
      if (family.empty()) family = sample.name;
      if (family == sample.name) out[slice->second] += sample.value;
    }
    if (!out.empty()) return out;
  }
  return {};
}

std::map<std::string, double> utilisation_gauges(const std::vector<MetricSample>& samples) {
  std::map<std::string, double> out;
  for (const MetricSample& sample : samples) {
    if (!sample.name.starts_with("nv_gpu_") && !sample.name.starts_with("nv_cpu_")) continue;
    std::string name = sample.name;
    for (const auto& [key, value] : sample.labels) name += "{" + key + "=" + value + "}";
    out[name] = sample.value;
  }
  return out;
}

}  // namespace corolla::load
