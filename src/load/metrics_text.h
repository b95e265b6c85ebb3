// Prometheus's text format, read: only what a measurement needs of it.
// Thread-safe: pure functions.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace corolla::load {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

// Lines that are not understood are passed over: /metrics belongs to others.
std::vector<MetricSample> read_metrics(std::string_view text);

// Inferences that each slice has done so far, by the label "slice": empty when the server does not
// tell.
std::map<std::string, double> slice_inferences(const std::vector<MetricSample>& samples);

// The gauges of Triton's GPU and CPU metrics, "name{label=value,...}" -> value.
std::map<std::string, double> utilisation_gauges(const std::vector<MetricSample>& samples);

}  // namespace corolla::load
