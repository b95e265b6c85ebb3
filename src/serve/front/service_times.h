// How long a batch takes, by (kind of worker, model, rows): learnt from every batch that ends, used
// to say beforehand when a request would be done.
//
// Robust: a stall hardly moves the mean (a sample far outside is clipped), yet a lasting change is
// learnt within some tens of batches, because the spread that decides what is far outside widens
// with every clipped sample.
//
// Not thread-safe. Models and kinds are small dense numbers.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace corolla::front {

class ServiceTimes {
 public:
  struct Estimate {
    Duration mean{0};
    Duration spread{0};    // mean absolute deviation
    uint64_t samples = 0;  // batches of just this size; 0: derived from other sizes
  };

  // The number of that kind; the same for the same name.
  uint32_t kind(const std::string& name);

  // A batch of `rows` took `took`. Negative times count as zero; rows == 0 is ignored.
  void record(uint32_t kind, uint32_t model, uint32_t rows, Duration took);

  // Sizes never seen are interpolated between their neighbours; beyond the largest seen they grow
  // in proportion, below the smallest seen they cost as much as it. nullopt: no batch of that model
  // has ended on that kind.
  std::optional<Estimate> estimate(uint32_t kind, uint32_t model, uint32_t rows) const;

  // Another model will get this number.
  void forget(uint32_t model);

 private:
  struct Cell {
    uint32_t rows;
    float mean_ns, spread_ns;
    uint64_t samples;
  };
  using Table = std::vector<Cell>;  // by rows, ascending

  std::vector<std::string> kinds_;
  std::vector<std::vector<Table>> tables_;  // [kind][model]
};

}  // namespace corolla::front
