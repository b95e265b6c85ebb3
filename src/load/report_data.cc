#include "load/report_data.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace corolla::load {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;

Error bad(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (true) {
    const size_t comma = line.find(',', begin);
    out.push_back(line.substr(begin, comma == line.npos ? line.npos : comma - begin));
    if (comma == line.npos) return out;
    begin = comma + 1;
  }
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(value))
    return std::nullopt;
  return value;
}

// One row of a table, cell by column name.
class Row {
 public:
  Row(const CsvTable& table, const std::vector<std::string>& cells, const std::string& path,
      size_t line)
      : table_(table), cells_(cells), path_(path), line_(line) {}

  Result<double> need(const std::string& name) const {
    ASSIGN_OR_RETURN(const size_t index, table_.column(name, path_));
    const auto value = number(cells_[index]);
    if (!value)
      return bad(path_ + ":" + std::to_string(line_) + ": '" + cells_[index] + "' in column '" +
                 name + "' is no number");
    return *value;
  }
  std::optional<std::string> text(const std::string& name) const {
    const auto at = std::find(table_.head.begin(), table_.head.end(), name);
    if (at == table_.head.end()) return std::nullopt;
    return cells_[static_cast<size_t>(at - table_.head.begin())];
  }
  double get(const std::string& name, double otherwise = 0) const {
    const auto cell = text(name);
    return cell ? number(*cell).value_or(otherwise) : otherwise;
  }

 private:
  const CsvTable& table_;
  const std::vector<std::string>& cells_;
  const std::string& path_;
  size_t line_;
};

std::map<std::string, double> slices_of(const std::string& text) {
  std::map<std::string, double> out;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ';');) {
    const size_t colon = part.rfind(':');
    if (colon == part.npos) continue;
    if (const auto rate = number(part.substr(colon + 1))) out[part.substr(0, colon)] = *rate;
  }
  return out;
}

// The percentile table beside a sweep's CSV, if it was kept.
std::vector<std::pair<double, double>> read_hgrm(const fs::path& path) {
  std::vector<std::pair<double, double>> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    double us = 0, share = 0;
    if (line.empty() || line[0] == '#' || !(fields >> us >> share)) continue;
    out.emplace_back(share * 100, us);
  }
  return out;
}

std::string text_of(dom::element element, std::string_view key) {
  std::string_view text;
  return element[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

Status add_sweep(const fs::path& folder, bool several_systems, ReportInput& input) {
  const std::string path = (folder / "manifest.json").string();
  dom::parser parser;
  dom::element root;
  dom::array steps;
  if (parser.load(path).get(root) != simdjson::SUCCESS) return bad(path + " is not JSON");
  if (root["steps"].get(steps) != simdjson::SUCCESS) return bad(path + " has no \"steps\"");
  std::string name = text_of(root, "name");
  if (name.empty()) name = folder.filename().string();
  dom::object notes;
  if (root["notes"].get(notes) == simdjson::SUCCESS)
    for (const auto [key, value] : notes) {
      std::string_view text;
      if (value.get(text) == simdjson::SUCCESS)
        input.notes.emplace_back((several_systems ? name + ": " : "") + std::string(key),
                                 std::string(text));
    }
  double budget_ms = 0;
  if (!input.budget && root["budget_ms"].get(budget_ms) == simdjson::SUCCESS && budget_ms > 0)
    input.budget = Duration(static_cast<int64_t>(budget_ms * 1e6));
  for (dom::element step : steps) {
    const std::string file = text_of(step, "file");
    if (file.empty() || !fs::exists(folder / file)) continue;  // not measured yet
    int64_t slices = 0, batch = 1;
    const bool has_slices = step["slices"].get(slices) == simdjson::SUCCESS;
    if (step["batch"].get(batch) != simdjson::SUCCESS) batch = 1;
    // A sweep that left the slices as they were has nothing to tell but the system's name.
    std::string label =
        has_slices ? std::to_string(slices) + (slices == 1 ? " slice" : " slices") : name;
    if (batch > 1) label += ", batch " + std::to_string(batch);
    if (several_systems && has_slices) label = name + ", " + label;
    ASSIGN_OR_RETURN(Series series, read_series((folder / file).string(), label));
    if (has_slices && batch == 1) series.slices = static_cast<int>(slices);
    for (Point& point : series.points) {
      char level[64];
      snprintf(level, sizeof level, "%s_%g.hgrm", series.by_rate ? "rate" : "concurrency",
               point.level);
      point.distribution = read_hgrm(folder / fs::path(file).stem() / level);
    }
    input.series.push_back(std::move(series));
  }
  return ok();
}

}  // namespace

Result<size_t> CsvTable::column(const std::string& name, const std::string& path) const {
  const auto at = std::find(head.begin(), head.end(), name);
  if (at == head.end()) return bad(path + " has no column '" + name + "'");
  return static_cast<size_t>(at - head.begin());
}

Result<CsvTable> read_csv(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{Code::kNotFound, "cannot read '" + path + "'"};
  CsvTable table;
  std::string line;
  for (size_t n = 1; std::getline(file, line); ++n) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> cells = cells_of(line);
    if (table.head.empty()) {
      table.head = std::move(cells);
    } else if (cells.size() != table.head.size()) {
      return bad(path + ":" + std::to_string(n) + " has " + std::to_string(cells.size()) +
                 " cells; its head has " + std::to_string(table.head.size()));
    } else {
      table.rows.push_back(std::move(cells));
    }
  }
  if (table.head.empty()) return bad(path + " is empty");
  return table;
}

Result<Series> read_series(const std::string& path, const std::string& name) {
  ASSIGN_OR_RETURN(const CsvTable table, read_csv(path));
  Series series;
  series.name = name;
  series.by_rate =
      std::find(table.head.begin(), table.head.end(), "Request Rate") != table.head.end();
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const Row row(table, table.rows[i], path, i + 2);
    Point point;
    ASSIGN_OR_RETURN(point.level, row.need(series.by_rate ? "Request Rate" : "Concurrency"));
    ASSIGN_OR_RETURN(point.throughput, row.need("Inferences/Second"));
    for (const double p : {50.0, 90.0, 95.0, 99.0}) {
      ASSIGN_OR_RETURN(point.latency_us[p],
                       row.need("p" + std::to_string(static_cast<int>(p)) + " latency"));
    }
    if (const double us = row.get("p99.9 latency"); us > 0) point.latency_us[99.9] = us;
    point.throughput_low = row.get("Throughput CI low");
    point.throughput_high = row.get("Throughput CI high");
    point.goodput = row.get("Goodput/Second", point.throughput);
    if (row.text("Server Queue")) {
      for (const auto& [part, column] :
           {std::pair("client send", "Client Send"),
            std::pair("network", "Network+Server Send/Recv"), std::pair("queue", "Server Queue"),
            std::pair("compute input", "Server Compute Input"),
            std::pair("compute infer", "Server Compute Infer"),
            std::pair("compute output", "Server Compute Output"),
            std::pair("client receive", "Client Recv")})
        point.parts_us[part] = row.get(column);
    }
    point.failed = static_cast<uint64_t>(std::max(0.0, row.get("Errors")));
    point.stable = row.get("Stable", 1) != 0;
    point.valid = row.get("Generator Bottleneck") == 0;
    if (const auto slices = row.text("Inferences/Second by slice"))
      point.slices = slices_of(*slices);
    series.points.push_back(std::move(point));
  }
  if (series.points.empty()) return bad(path + " holds no measurement");
  std::stable_sort(series.points.begin(), series.points.end(),
                   [](auto& a, auto& b) { return a.level < b.level; });
  return series;
}

Status add_measurements(const std::string& path, bool several_systems, ReportInput& input) {
  std::error_code error;
  if (!fs::exists(path, error))
    return Error{Code::kNotFound, "there is no file or folder '" + path + "'"};
  fs::path clean = fs::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  if (!fs::is_directory(clean, error)) {
    ASSIGN_OR_RETURN(Series series, read_series(path, clean.stem().string()));
    input.series.push_back(std::move(series));
    return ok();
  }
  const size_t before = input.series.size();
  if (fs::exists(clean / "manifest.json", error)) {
    RETURN_IF_ERROR(add_sweep(clean, several_systems, input));
  } else {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(clean, error))
      if (entry.path().extension() == ".csv") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      ASSIGN_OR_RETURN(
          Series series,
          read_series(file.string(), (several_systems ? clean.filename().string() + ", " : "") +
                                         file.stem().string()));
      input.series.push_back(std::move(series));
    }
  }
  if (input.series.size() == before)
    return Error{Code::kNotFound, "the folder '" + path + "' holds no measurement"};
  return ok();
}

}  // namespace corolla::load
