// Charts and tables of measurements in one HTML file that needs nothing else: inline SVG, a table
// under each chart, light, dark and print. Pure functions.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "load/window.h"

namespace corolla::load {

// One level of load, as charts need it.
struct Point {
  double level = 0;  // concurrency or request rate
  double throughput = 0, throughput_low = 0,
         throughput_high = 0;  // inferences a second; low = high = 0: no interval known
  double goodput = 0;
  double mean_us = 0;
  std::map<double, double> latency_us;  // by percentile: 50, 90, 95, 99, 99.9
  // Mean microseconds: client send, network, queue, compute input, infer, output, client receive.
  std::map<std::string, double> parts_us;
  uint64_t failed = 0;
  bool stable = true, valid = true;
  std::map<std::string, double> slices;                 // inferences a second
  std::vector<std::pair<double, double>> distribution;  // (percentile, microseconds)
};

// One curve: a system, or a number of slices of one.
struct Series {
  std::string name;
  std::optional<int> slices;
  bool by_rate = false;
  std::vector<Point> points;  // ascending level
};

struct ReportInput {
  std::string title = "Corolla measurement";
  std::vector<std::pair<std::string, std::string>> notes;  // machine, versions, commit, command ...
  std::vector<Series> series;
  std::optional<Duration> budget;
  double budget_percentile = 99;
};

Series series_of(const std::string& name, const std::vector<PerfRow>& rows);

std::string report_html(const ReportInput& input);

// The charts alone, as (file name without ending, SVG text).
std::vector<std::pair<std::string, std::string>> report_svgs(const ReportInput& input);

}  // namespace corolla::load
