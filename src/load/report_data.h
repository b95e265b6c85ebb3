// Measurements read back from disk: CSV files (perf_client's or ours) and the folders that `corolla
// sweep` fills. Thread-safe: pure functions of the files.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "load/report.h"

namespace corolla::load {

// A CSV as text cells.
struct CsvTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  // The column's index. kInvalidArgument, naming it and the file, when it is missing.
  Result<size_t> column(const std::string& name, const std::string& path) const;
};
// kInvalidArgument names the line that has more or fewer cells than the head.
Result<CsvTable> read_csv(const std::string& path);

// One CSV as a series. Further columns of ours are used where they are; perf_client's own suffice.
// kInvalidArgument names a missing column or a cell that is no number.
Result<Series> read_series(const std::string& path, const std::string& name);

// Adds to `input` what a path holds: a CSV, a sweep's folder (manifest.json names its files), or a
// folder of CSVs. kNotFound when there is nothing in it.
Status add_measurements(const std::string& path, bool several_systems, ReportInput& input);

}  // namespace corolla::load
