// Injected service times: how long a null engine pretends to compute. The same options and seed
// give the same sequence.
//
// Options (engine options, or parameters of one model, which win):
//   delay_us=1500             every batch takes this long
//   delay_row_us=200          and this much more for each row
//   delay_table=p50:1000;p99:5000;p100:9000   quantiles, straight lines between them (p0 is the
//   first value unless given), or delay_table=1000:90;20000:10              values with weights.
//   Pieces are parted by ';' or, where the place allows, ',' delay_seed=1 stall_every=100 each
//   100th batch takes stall_us=50000            this much longer
#pragma once
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace corolla::engine {

class ServiceTime {
 public:
  // kInvalidArgument names the option that is malformed. Options of other names are ignored;
  // is_option() tells them.
  static Result<ServiceTime> from_options(const std::map<std::string, std::string>& options);
  static bool is_option(const std::string& name);

  // Of the next batch. Not thread-safe.
  Duration next(int rows);

 private:
  struct Point {
    double at;  // cumulative probability, 0..1
    double us;
  };
  double base_us_ = 0, row_us_ = 0, stall_us_ = 0;
  uint64_t stall_every_ = 0, batches_ = 0;
  bool quantiles_ = false;
  std::vector<Point> table_;
  std::mt19937_64 random_{1};
};

}  // namespace corolla::engine
