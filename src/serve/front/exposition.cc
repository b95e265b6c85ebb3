#include "serve/front/exposition.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace corolla::front {
namespace {

void append_escaped(std::string& out, std::string_view value, bool quotes) {
  for (const char c : value) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quotes)
      out += "\\\"";
    else
      out += c;
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value))
    out += "NaN";
  else if (std::isinf(value))
    out += value > 0 ? "+Inf" : "-Inf";
  else
    fmt::format_to(std::back_inserter(out), "{}", value);
}

}  // namespace

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help, false);
  text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

// a="b",c="d"
std::string Exposition::written(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (value.empty()) continue;
    if (!out.empty()) out += ',';
    out.append(name).append("=\"");
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

void Exposition::head(std::string_view suffix, std::string_view labels, std::string_view le) {
  text_.append(name_).append(suffix);
  if (!labels.empty() || !le.empty()) {
    text_.append("{").append(labels);
    if (!le.empty())
      text_.append(labels.empty() ? "" : ",").append("le=\"").append(le).append("\"");
    text_ += '}';
  }
  text_ += ' ';
}

void Exposition::sample(const Labels& labels, uint64_t value) {
  head("", written(labels), "");
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void Exposition::sample(const Labels& labels, double value) {
  head("", written(labels), "");
  append_number(text_, value);
  text_ += '\n';
}

void Exposition::histogram(const Labels& labels, std::span<const uint32_t> bounds,
                           std::span<const uint64_t> counts, double sum) {
  const std::string own = written(labels);
  uint64_t so_far = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    head("_bucket", own, i < bounds.size() ? std::string_view(fmt::to_string(bounds[i])) : "+Inf");
    fmt::format_to(std::back_inserter(text_), "{}\n", so_far);
  }
  head("_sum", own, "");
  append_number(text_, sum);
  text_ += '\n';
  head("_count", own, "");
  fmt::format_to(std::back_inserter(text_), "{}\n", so_far);
}

void Exposition::histogram(const Labels& labels, const HistogramSnapshot& h) {
  histogram(labels, kHistogramBoundsUs, h.counts, static_cast<double>(h.sum_ns) / 1000);
}

}  // namespace corolla::front
