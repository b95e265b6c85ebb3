#include "load/sweep.h"

#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "client/json_text.h"
#include "load/perf_output.h"
#include "load/report_data.h"

namespace corolla::load {
namespace {

namespace fs = std::filesystem;

std::string file_of(int slices, int64_t batch, const SweepOptions& options) {
  std::string name = slices > 0 ? "slices_" + std::to_string(slices) : "as_is";
  if (options.batches.size() > 1) name += "_batch_" + std::to_string(batch);
  return name + ".csv";
}

std::string joined(const std::vector<std::string>& cells) {
  std::string out;
  for (const std::string& cell : cells) out += (out.empty() ? "" : ",") + cell;
  return out;
}

// A step's rows, old and new, by level.
class StepFile {
 public:
  explicit StepFile(std::string path) : path_(std::move(path)) {}

  Status load() {
    std::error_code error;
    if (!fs::exists(path_, error)) return ok();
    ASSIGN_OR_RETURN(const CsvTable table, read_csv(path_));
    ASSIGN_OR_RETURN(const size_t level, table.column("Concurrency", path_));
    ASSIGN_OR_RETURN(const size_t rate, table.column("Inferences/Second", path_));
    head_ = joined(table.head);
    for (const auto& row : table.rows)
      rows_[std::stod(row[level])] = {std::stod(row[rate]), joined(row)};
    return ok();
  }

  bool has(double level) const { return rows_.contains(level); }
  size_t size() const { return rows_.size(); }

  Status add(const PerfRow& row) {
    const std::string text = perf_csv({row}, false);
    const size_t end = text.find('\n');
    const std::string head = text.substr(0, end);
    if (!head_.empty() && head_ != head)
      return Error{
          Code::kInvalidArgument,
          path_ + " has other columns than this measurement gives; choose another --out folder"};
    head_ = head;
    rows_[row.level.value] = {row.inferences_per_second,
                              text.substr(end + 1, text.size() - end - 2)};
    std::vector<std::pair<double, std::string>> sorted;
    for (const auto& [level, line] : rows_) sorted.push_back(line);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](auto& a, auto& b) { return a.first < b.first; });
    std::string out = head_ + "\n";
    for (const auto& [rate, line] : sorted) out += line + "\n";
    return write_file(path_, out);
  }

 private:
  std::string path_, head_;
  std::map<double, std::pair<double, std::string>> rows_;
};

std::string manifest(const SweepOptions& options) {
  const std::optional<Duration> budget = options.perf.budget;
  std::string out =
      "{\n  \"name\": " + client::json_string(options.name) +
      ",\n  \"model\": " + client::json_string(options.perf.model) +
      ",\n  \"budget_ms\": " + (budget ? std::to_string(to_seconds(*budget) * 1000) : "0") +
      ",\n  \"protocol\": \"" + (options.perf.protocol == wire::Protocol::kHttp ? "http" : "grpc") +
      "\",\n  \"window_ms\": " + std::to_string(to_seconds(options.perf.window) * 1000) +
      ",\n  \"stability_percentage\": " + std::to_string(options.perf.stability.percentage) +
      ",\n  \"concurrency\": [" + std::to_string(options.concurrency.begin) + ", " +
      std::to_string(options.concurrency.end) + ", " + std::to_string(options.concurrency.step) +
      "],\n  \"notes\": {";
  for (size_t i = 0; i < options.notes.size(); ++i)
    out += (i > 0 ? ",\n    " : "\n    ") + client::json_string(options.notes[i].first) + ": " +
           client::json_string(options.notes[i].second);
  out += "\n  },\n  \"steps\": [";
  bool first = true;
  const std::vector<int> all = options.slices.empty() ? std::vector<int>{0} : options.slices;
  for (const int slices : all)
    for (const int64_t batch : options.batches) {
      out += std::string(first ? "\n    " : ",\n    ") + "{" +
             (slices > 0 ? "\"slices\": " + std::to_string(slices) + ", " : "") +
             "\"batch\": " + std::to_string(batch) +
             ", \"file\": " + client::json_string(file_of(slices, batch, options)) + "}";
      first = false;
    }
  return out + "\n  ]\n}\n";
}

// Saves each finished point and passes the progress on.
class PointSaver final : public PerfObserver {
 public:
  PointSaver(SweepObserver& outer, StepFile& file, std::string tables)
      : outer_(outer), file_(file), tables_(std::move(tables)) {}
  void progress(const LoadLevel& level, size_t trial, double rate, size_t outstanding) override {
    outer_.progress(level, trial, rate, outstanding);
  }
  void finished(const PerfRow& row, const PerfResult& so_far) override {
    keep(file_.add(row));
    std::error_code error;
    fs::create_directories(tables_, error);
    char name[64];
    snprintf(name, sizeof name, "/concurrency_%g.hgrm", row.level.value);
    keep(write_file(tables_ + name, row.latency.hgrm()));
    outer_.finished(row, so_far);
  }
  const Status& status() const { return status_; }

 private:
  void keep(Status status) {
    if (status_.ok() && !status.ok()) status_ = std::move(status);
  }
  SweepObserver& outer_;
  StepFile& file_;
  std::string tables_;
  Status status_ = ok();
};

// One CSV. False: interrupted.
Result<bool> run_step(const SweepOptions& options, int slices, int64_t batch,
                      SweepObserver& observer, const std::atomic<bool>& stop) {
  const std::string path = options.folder + "/" + file_of(slices, batch, options);
  StepFile file(path);
  RETURN_IF_ERROR(file.load());
  std::vector<double> wanted;
  for (double c = options.concurrency.begin; c <= options.concurrency.end;
       c += options.concurrency.step)
    if (!file.has(c)) wanted.push_back(c);
  observer.step(slices, batch, file.size());
  if (wanted.empty()) return true;
  if (slices > 0 && options.scale) RETURN_IF_ERROR(options.scale(slices));
  PointSaver saver(observer, file, fs::path(path).replace_extension().string());
  int above = 0;
  for (const double c : wanted) {
    PerfOptions perf = options.perf;
    perf.input.batch = batch;
    perf.concurrency = Range{c, c, 1};
    ASSIGN_OR_RETURN(auto prepared, Perf::prepare(std::move(perf)));
    ASSIGN_OR_RETURN(const PerfResult result, prepared->run(saver, stop));
    if (!saver.status().ok()) return saver.status().error();
    if (result.broken) return *result.broken;
    if (stop) return false;
    if (options.stop_above > 0 && options.perf.budget && !result.rows.empty()) {
      const bool far = result.rows.back().us(99) * 1000 >
                       options.stop_above * static_cast<double>(options.perf.budget->count());
      above = far ? above + 1 : 0;
      if (above == 2) break;
    }
  }
  return true;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> machine_notes() {
  std::vector<std::pair<std::string, std::string>> out;
  char text[128];
  const time_t seconds = time(nullptr);
  tm utc{};
  gmtime_r(&seconds, &utc);
  strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
  out.emplace_back("date", text);
  std::string cpu = "unknown CPU";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  const double gigabytes = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                           static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e9;
  snprintf(text, sizeof text, ", %u cores, %.0f GB", std::thread::hardware_concurrency(),
           gigabytes);
  out.emplace_back("machine", cpu + text);
  utsname kernel{};
  if (uname(&kernel) == 0)
    out.emplace_back("kernel", std::string(kernel.sysname) + " " + kernel.release);
  return out;
}

Result<bool> sweep(const SweepOptions& options, SweepObserver& observer,
                   const std::atomic<bool>& stop) {
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error)
    return Error{Code::kPermission,
                 "cannot make the folder '" + options.folder + "': " + error.message()};
  RETURN_IF_ERROR(write_file(options.folder + "/manifest.json", manifest(options)));
  const std::vector<int> all = options.slices.empty() ? std::vector<int>{0} : options.slices;
  for (const int slices : all)
    for (const int64_t batch : options.batches) {
      ASSIGN_OR_RETURN(const bool whole, run_step(options, slices, batch, observer, stop));
      if (!whole || stop) return false;
    }
  return true;
}

}  // namespace corolla::load
