#include "load/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "load/report_table.h"
#include "load/svg_chart.h"

namespace corolla::load {
namespace {

struct Figure {
  std::string file;  // name of its file, without ending
  std::string svg;
  std::string caption;  // one sentence: what it shows
  ReportTable table;
};

std::string number(double value, const char* form = "%.4g") {
  char text[40];
  if (std::abs(value) >= 1000 && form[1] == '.') form = "%.0f";
  snprintf(text, sizeof text, form, value);
  return text;
}

double latency_of(const Point& point, double percentile) {
  const auto found = point.latency_us.find(percentile);
  return found == point.latency_us.end() ? 0 : found->second;
}

bool all_have_slices(const ReportInput& input) {
  return std::all_of(input.series.begin(), input.series.end(),
                     [](auto& s) { return s.slices.has_value(); });
}

int style_of(const ReportInput& input, size_t index) {
  if (!all_have_slices(input) || input.series.size() < 2) return static_cast<int>(index);
  // Few slice counts still use the whole range from light to dark.
  return static_cast<int>(
      std::lround(static_cast<double>(index) * 7 / static_cast<double>(input.series.size() - 1)));
}

std::string x_label(const ReportInput& input) {
  return !input.series.empty() && input.series.front().by_rate ? "requests a second, as scheduled"
                                                               : "outstanding requests";
}

std::string note_of(const Series& series, const Point& point) {
  return series.name + ", " + number(point.level) + (series.by_rate ? "/s: " : " outstanding: ") +
         number(point.throughput) + "/s, p50 " + number(latency_of(point, 50) / 1000) +
         " ms, p99 " + number(latency_of(point, 99) / 1000) + " ms" +
         (point.failed > 0 ? ", " + std::to_string(point.failed) + " failed" : "") +
         (point.stable ? "" : ", not stable") + (point.valid ? "" : ", generator limited");
}

// A table with one row a level and one column a series.
template <class Value>
ReportTable by_level(const ReportInput& input, const std::string& first, Value value) {
  ReportTable table;
  table.head.push_back(first);
  std::vector<double> levels;
  for (const Series& series : input.series) {
    table.head.push_back(series.name);
    for (const Point& point : series.points) levels.push_back(point.level);
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  for (const double level : levels) {
    std::vector<std::string> row = {number(level, "%g")};
    for (const Series& series : input.series) {
      const auto at = std::find_if(series.points.begin(), series.points.end(),
                                   [&](auto& p) { return p.level == level; });
      row.push_back(at == series.points.end() ? "" : value(*at));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Figure throughput(const ReportInput& input) {
  LineChart chart{.title = "Throughput",
                  .x_label = x_label(input),
                  .y_label = "inferences a second",
                  .ordinal_colours = all_have_slices(input)};
  for (size_t i = 0; i < input.series.size(); ++i) {
    ChartLine line{input.series[i].name, style_of(input, i), false, {}};
    for (const Point& p : input.series[i].points)
      line.points.push_back({p.level, p.throughput, p.throughput_low, p.throughput_high,
                             note_of(input.series[i], p), !p.stable || !p.valid});
    chart.lines.push_back(std::move(line));
  }
  return {"throughput", draw(chart),
          "Inferences a second over the load. The bands are 95 % intervals; a hollow mark was not "
          "stable, or limited by the generator.",
          by_level(input, x_label(input), [](const Point& p) {
            std::string text = number(p.throughput);
            if (p.throughput_high > p.throughput_low)
              text += " (" + number(p.throughput_low) + " to " + number(p.throughput_high) + ")";
            return text + (p.stable ? "" : " *");
          })};
}

Figure latency(const ReportInput& input, double percentile) {
  const std::string p = "p" + number(percentile, "%g");
  LineChart chart{.title = "Latency, " + p,
                  .x_label = x_label(input),
                  .y_label = "milliseconds",
                  .ordinal_colours = all_have_slices(input)};
  double low = 1e300, high = 0;
  for (size_t i = 0; i < input.series.size(); ++i) {
    ChartLine line{input.series[i].name, style_of(input, i), false, {}};
    for (const Point& point : input.series[i].points) {
      const double ms = latency_of(point, percentile) / 1000;
      if (ms <= 0) continue;
      low = std::min(low, ms);
      high = std::max(high, ms);
      line.points.push_back(
          {point.level, ms, 0, 0, note_of(input.series[i], point), !point.stable || !point.valid});
    }
    chart.lines.push_back(std::move(line));
  }
  chart.log_y = high > 40 * low;
  if (input.budget) {
    const double ms = to_seconds(*input.budget) * 1000;
    chart.limit = std::pair(ms, "budget " + number(ms, "%g") + " ms");
  }
  return {
      "latency_" + p, draw(chart),
      "The " + p + " of latency over the load" + std::string(chart.log_y ? " (logarithmic)." : "."),
      by_level(input, x_label(input), [percentile](const Point& point) {
        return number(latency_of(point, percentile) / 1000);
      })};
}

const Point* best_under_budget(const ReportInput& input, const Series& series) {
  const double budget_us = to_seconds(*input.budget) * 1e6;
  const Point* best = nullptr;
  for (const Point& p : series.points) {
    const double us = latency_of(p, input.budget_percentile);
    if (us > 0 && us <= budget_us && (best == nullptr || p.throughput > best->throughput))
      best = &p;
  }
  return best;
}

Figure under_budget(const ReportInput& input) {
  const double ms = to_seconds(*input.budget) * 1000;
  const std::string rule =
      "p" + number(input.budget_percentile, "%g") + " within " + number(ms, "%g") + " ms";
  BarChart chart{.title = "Largest throughput with " + rule,
                 .x_label = all_have_slices(input) ? "slices" : "system",
                 .y_label = "inferences a second",
                 .part_names = {"throughput"},
                 .ordinal_colours = all_have_slices(input)};
  Figure figure{"budget", "", "", {}};
  figure.table.head = {"system", "inferences/s", "outstanding", "p50 ms", "p99 ms"};
  std::string caption;
  for (size_t i = 0; i < input.series.size(); ++i) {
    const Series& series = input.series[i];
    const Point* best = best_under_budget(input, series);
    const std::string label =
        series.slices && all_have_slices(input) ? std::to_string(*series.slices) : series.name;
    if (best == nullptr) {
      chart.bars.push_back({label, {0}, "none", style_of(input, i)});
      figure.table.rows.push_back({series.name, "never within the budget", "", "", ""});
      continue;
    }
    const std::string load = number(best->level, "%g") + (series.by_rate ? "/s" : " out");
    chart.bars.push_back({label,
                          {best->throughput},
                          number(best->throughput, "%.3g") + " · " + load,
                          style_of(input, i)});
    figure.table.rows.push_back({series.name, number(best->throughput), number(best->level, "%g"),
                                 number(latency_of(*best, 50) / 1000),
                                 number(latency_of(*best, 99) / 1000)});
    caption += (caption.empty() ? "With " : "; with ") + series.name + ", " +
               number(best->level, "%g") +
               (series.by_rate ? " requests a second" : " outstanding") + " (" +
               number(best->throughput, "%.3g") + "/s)";
  }
  figure.svg = draw(chart);
  figure.caption = caption.empty() ? "No load was served with " + rule + "." : caption + ".";
  return figure;
}

const std::vector<std::string>& part_order() {
  static const std::vector<std::string> kParts = {
      "client send",   "network",        "queue",         "compute input",
      "compute infer", "compute output", "client receive"};
  return kParts;
}

Figure breakdown(const ReportInput& input, size_t index) {
  const Series& series = input.series[index];
  BarChart chart{.title = "Where the time goes: " + series.name,
                 .x_label = x_label(input),
                 .y_label = "milliseconds, mean"};
  chart.part_names = part_order();
  Figure figure{"breakdown_" + std::to_string(index + 1),
                "",
                "The mean latency of " + series.name + ", by where it was spent.",
                {}};
  figure.table.head = {x_label(input)};
  for (const std::string& part : part_order()) figure.table.head.push_back(part + " µs");
  for (const Point& p : series.points) {
    if (p.parts_us.empty()) continue;
    Bar bar{number(p.level, "%g"), {}, "", 0};
    std::vector<std::string> row = {number(p.level, "%g")};
    for (const std::string& part : part_order()) {
      const auto found = p.parts_us.find(part);
      const double us = found == p.parts_us.end() ? 0 : found->second;
      bar.parts.push_back(us / 1000);
      row.push_back(number(us));
    }
    chart.bars.push_back(std::move(bar));
    figure.table.rows.push_back(std::move(row));
  }
  figure.svg = draw(chart);
  return figure;
}

// The level whose distribution is worth seeing: the best one under the budget, else the one with
// most throughput.
const Point* telling_point(const ReportInput& input, const Series& series) {
  if (input.budget)
    if (const Point* best = best_under_budget(input, series)) return best;
  const Point* best = nullptr;
  for (const Point& p : series.points)
    if (best == nullptr || p.throughput > best->throughput) best = &p;
  return best;
}

Figure distribution(const ReportInput& input) {
  LineChart chart{.title = "Latency by percentile",
                  .x_label = "percentile",
                  .y_label = "milliseconds",
                  .ordinal_colours = all_have_slices(input),
                  .percentiles_on_x = true};
  Figure figure{"distribution", "", "", {}};
  figure.table.head = {"system", "load", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "p99.9 ms"};
  double low = 1e300, high = 0;
  for (size_t i = 0; i < input.series.size(); ++i) {
    const Series& series = input.series[i];
    const Point* point = telling_point(input, series);
    if (point == nullptr) continue;
    ChartLine line{series.name, style_of(input, i), false, {}};
    std::vector<std::pair<double, double>> curve = point->distribution;
    if (curve.empty()) curve.assign(point->latency_us.begin(), point->latency_us.end());
    for (const auto& [p, us] : curve) {
      if (p >= 100 || us <= 0) continue;
      low = std::min(low, us);
      high = std::max(high, us);
      line.points.push_back(
          {p, us / 1000, 0, 0, "p" + number(p, "%.6g") + ": " + number(us / 1000) + " ms", false});
    }
    chart.lines.push_back(std::move(line));
    std::vector<std::string> row = {
        series.name, number(point->level, "%g") + (series.by_rate ? "/s" : " outstanding")};
    for (const double p : {50.0, 90.0, 95.0, 99.0, 99.9})
      row.push_back(number(latency_of(*point, p) / 1000));
    figure.table.rows.push_back(std::move(row));
  }
  chart.log_y = high > 20 * low;
  if (input.budget) {
    const double ms = to_seconds(*input.budget) * 1000;
    chart.limit = std::pair(ms, "budget " + number(ms, "%g") + " ms");
  }
  figure.svg = draw(chart);
  figure.caption = input.budget ? "Each system at its largest load within the budget."
                                : "Each system at its largest throughput.";
  return figure;
}

// How evenly the slices were used: each slice's share of an equal share.
bool fairness(const ReportInput& input, Figure& figure) {
  BarChart chart{.title = "Work done by each slice",
                 .x_label = "slices · slice",
                 .y_label = "share of an equal share, %",
                 .part_names = {"share"}};
  figure = {"fairness", "", "100 % for every slice is an even load.", {}};
  figure.table.head = {"system", "slice", "inferences/s", "of an equal share"};
  for (size_t i = 0; i < input.series.size(); ++i) {
    const Point* point = telling_point(input, input.series[i]);
    if (point == nullptr || point->slices.size() < 2) continue;
    double sum = 0;
    for (const auto& [slice, rate] : point->slices) sum += rate;
    if (sum <= 0) continue;
    for (const auto& [slice, rate] : point->slices) {
      const double share = 100 * rate * static_cast<double>(point->slices.size()) / sum;
      const std::string group =
          input.series[i].slices ? std::to_string(*input.series[i].slices) : std::to_string(i + 1);
      chart.bars.push_back({group + "·" + slice, {share}, "", static_cast<int>(i)});
      figure.table.rows.push_back(
          {input.series[i].name, slice, number(rate), number(share, "%.1f") + " %"});
    }
  }
  if (chart.bars.empty()) return false;
  chart.limit = std::pair(100.0, std::string("even"));
  figure.svg = draw(chart);
  return true;
}

std::vector<Figure> figures(const ReportInput& input) {
  std::vector<Figure> out;
  out.push_back(throughput(input));
  out.push_back(latency(input, 50));
  out.push_back(latency(input, 99));
  if (input.budget) out.push_back(under_budget(input));
  for (size_t i = 0; i < input.series.size(); ++i)
    if (std::any_of(input.series[i].points.begin(), input.series[i].points.end(),
                    [](auto& p) { return !p.parts_us.empty(); }))
      out.push_back(breakdown(input, i));
  out.push_back(distribution(input));
  Figure fair;
  if (fairness(input, fair)) out.push_back(std::move(fair));
  return out;
}

}  // namespace

Series series_of(const std::string& name, const std::vector<PerfRow>& rows) {
  Series series;
  series.name = name;
  for (const PerfRow& row : rows) {
    Point point;
    series.by_rate = row.level.kind == LoadLevel::Kind::kRate;
    point.level = row.level.value;
    point.throughput = row.inferences_per_second;
    point.goodput = row.goodput;
    point.mean_us = row.latency.mean() / 1000;
    if (row.confidence) {
      point.throughput_low = row.confidence->throughput.low * static_cast<double>(row.batch);
      point.throughput_high = row.confidence->throughput.high * static_cast<double>(row.batch);
    }
    for (const double p : {50.0, 90.0, 95.0, 99.0, 99.9}) point.latency_us[p] = row.us(p);
    if (row.server) {
      const ServerTimes& s = *row.server;
      const double network = point.mean_us - row.send_us - row.recv_us - s.queue - s.compute_input -
                             s.compute_infer - s.compute_output;
      point.parts_us = {{"client send", row.send_us},
                        {"network", std::max(0.0, network)},
                        {"queue", s.queue},
                        {"compute input", s.compute_input},
                        {"compute infer", s.compute_infer},
                        {"compute output", s.compute_output},
                        {"client receive", row.recv_us}};
    }
    point.failed = row.failed;
    point.stable = row.stable;
    point.valid = row.generator_fault.empty();
    point.slices = row.slices;
    uint64_t below = 0;
    for (const auto& [ns, count] : row.latency.buckets()) {
      below += count;
      point.distribution.emplace_back(
          100.0 * static_cast<double>(below) / static_cast<double>(row.latency.count()),
          static_cast<double>(ns) / 1000);
    }
    series.points.push_back(std::move(point));
  }
  std::stable_sort(series.points.begin(), series.points.end(),
                   [](auto& a, auto& b) { return a.level < b.level; });
  return series;
}

std::vector<std::pair<std::string, std::string>> report_svgs(const ReportInput& input) {
  std::vector<std::pair<std::string, std::string>> out;
  for (Figure& figure : figures(input)) out.emplace_back(figure.file, standalone_svg(figure.svg));
  return out;
}

std::string report_html(const ReportInput& input) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\"><title>" +
      html_escaped(input.title) + "</title>\n<style>\n" + chart_css() +
      "body{margin:0 auto;max-width:900px;padding:24px "
      "16px;background:var(--page,#f6f7f8);color:var(--ink);font:15px/1.5 system-ui,'Segoe "
      "UI',Roboto,Arial,sans-serif}\n"
      ":root{--page:#f4f5f6}\n@media (prefers-color-scheme:dark){:root{--page:#131517}}\n@media "
      "print{:root{--page:#fff}}\n"
      "h1{font-size:24px;margin:0 0 12px}\nfigure{margin:0 0 "
      "28px;padding:8px;background:var(--paper);border:1px solid "
      "var(--grid);border-radius:8px;break-inside:avoid}\n"
      "figcaption{padding:4px 10px 8px;color:var(--faint)}\ndetails{padding:0 10px "
      "8px}\nsummary{cursor:pointer;color:var(--faint)}\n"
      ".scroll{overflow-x:auto}\ntable{border-collapse:collapse;font-variant-numeric:tabular-nums;"
      "font-size:13px;margin:6px 0}\n"
      "th,td{padding:3px 12px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid "
      "var(--grid)}\nth:first-child,td:first-child{text-align:left}\n"
      "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0 0 "
      "24px;font-size:13.5px}\ndt{color:var(--faint)}\ndd{margin:0;overflow-wrap:anywhere}\n"
      "@media "
      "print{body{max-width:none;padding:0}figure{border:none}}\n</style></head>\n<body>\n<h1>" +
      html_escaped(input.title) + "</h1>\n";
  if (!input.notes.empty()) {
    out += "<dl>";
    for (const auto& [key, value] : input.notes)
      if (!value.empty())
        out += "<dt>" + html_escaped(key) + "</dt><dd>" + html_escaped(value) + "</dd>\n";
    out += "</dl>\n";
  }
  for (const Figure& figure : figures(input))
    out += "<figure>\n" + figure.svg + "<figcaption>" + html_escaped(figure.caption) +
           "</figcaption>\n<details open><summary>The numbers</summary><div class=\"scroll\">" +
           html_table(figure.table) + "</div></details>\n</figure>\n";
  return out + "</body></html>\n";
}

}  // namespace corolla::load
