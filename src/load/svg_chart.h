// Charts as SVG text. Every series is told apart by colour, by marker, by dashes and by its name at
// the end of its line, so that colour is never needed. Colours come from CSS variables, which
// follow the reader's light or dark setting. Pure functions.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace corolla::load {

struct ChartPoint {
  double x = 0, y = 0;
  double low = 0, high = 0;  // an interval around y; equal: none
  std::string note;          // shown when pointed at
  bool doubtful = false;     // drawn hollow
};

struct ChartLine {
  std::string name;
  int style = 0;  // colour and marker
  bool dashed = false;
  std::vector<ChartPoint> points;  // ascending x
};

struct LineChart {
  std::string title, x_label, y_label;
  std::vector<ChartLine> lines;
  bool log_y = false;
  bool ordinal_colours = false;   // styles are amounts (slices): colours go from light to dark
  bool percentiles_on_x = false;  // x is a percentile below 100, drawn as 1/(1-p) on a log axis
  std::optional<std::pair<double, std::string>> limit;  // a horizontal line and its name
};
std::string draw(const LineChart& chart);

// Bars in groups; each bar may be stacked.
struct Bar {
  std::string label;          // under the bar
  std::vector<double> parts;  // from the bottom, as many as part_names
  std::string value_text;     // above the bar
  int style = 0;              // when there is only one part
};
struct BarChart {
  std::string title, x_label, y_label;
  std::vector<std::string> part_names;  // one: no legend
  std::vector<Bar> bars;
  bool ordinal_colours = false;
  std::optional<std::pair<double, std::string>> limit;
};
std::string draw(const BarChart& chart);

// The CSS that the charts need, once a page.
std::string chart_css();
// A chart as a file of its own: with the CSS inside.
std::string standalone_svg(const std::string& svg);

std::string html_escaped(const std::string& text);
// "1.2 k", "37", "0.25": for axes and labels.
std::string short_number(double value);

}  // namespace corolla::load
