// What a measurement leaves behind: perf_client's CSV with further columns at its end, its text,
// its JSON export, percentile tables. Thread-safe: pure functions, but for write_file().
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/perf.h"

namespace corolla::load {

// Rows sorted by throughput as perf_client does; the leading columns are its own, in its order and
// form.
std::string perf_csv(const std::vector<PerfRow>& rows, bool verbose,
                     std::optional<double> percentile = std::nullopt);

// The block that perf_client prints for a level.
std::string perf_text(const PerfRow& row, const PerfOptions& options);
// Its closing lines.
std::string perf_summary(const std::vector<PerfRow>& rows);

// perf_analyzer's --profile-export-file.
std::string perf_export(const PerfResult& result, const PerfOptions& options);

// "UNAVAILABLE:3;OVERLOADED:1"
std::string errors_text(const std::map<Code, uint64_t>& errors);

// Replaces the file in one step, so that a reader or a crash never sees half of it.
Status write_file(const std::string& path, std::string_view text);

}  // namespace corolla::load
