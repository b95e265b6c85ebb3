// Writes Prometheus's text format: HELP and TYPE once a family, samples with escaped labels.
//
//   Exposition out;
//   out.family("nv_inference_count", "counter", "Number of inferences performed");
//   out.sample({{"model", "flower"}, {"version", "1"}}, 12);
//
// Labels with an empty value are left out: to Prometheus that is the same.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.h"

namespace corolla::front {

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::vector<Label>;

class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the family begun last.
  void sample(const Labels& labels, uint64_t value);
  void sample(const Labels& labels, double value);
  // Buckets, sum (in microseconds) and count. REQUIRES: the family is a histogram.
  void histogram(const Labels& labels, const HistogramSnapshot& histogram);
  // The same for any bounds: counts has one more than bounds.
  void histogram(const Labels& labels, std::span<const uint32_t> bounds,
                 std::span<const uint64_t> counts, double sum);

  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  void head(std::string_view suffix, std::string_view labels, std::string_view le);
  static std::string written(const Labels& labels);

  std::string name_, text_;
};

}  // namespace corolla::front
