#include "load/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace corolla::load {
namespace {

constexpr double kWidth = 820, kHeight = 430;
constexpr double kLeft = 74, kRight = 150, kTop = 46, kBottom = 62;
constexpr int kStyles = 8;

std::string f(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string text_at(double x, double y, const std::string& text, const char* css,
                    const char* anchor = "middle") {
  return "<text x=\"" + f(x) + "\" y=\"" + f(y) + "\" class=\"" + css + "\" text-anchor=\"" +
         anchor + "\">" + html_escaped(text) + "</text>\n";
}

std::string line_at(double x1, double y1, double x2, double y2, const char* css) {
  return "<line x1=\"" + f(x1) + "\" y1=\"" + f(y1) + "\" x2=\"" + f(x2) + "\" y2=\"" + f(y2) +
         "\" class=\"" + css + "\"/>\n";
}

// Each style has a shape of its own.
std::string marker(double x, double y, int style, const std::string& css, const std::string& note) {
  const std::string begin =
      " class=\"" + css + "\">" + (note.empty() ? "" : "<title>" + html_escaped(note) + "</title>");
  const auto polygon = [&](std::vector<std::pair<double, double>> points) {
    std::string out = "<polygon points=\"";
    for (const auto& [dx, dy] : points) out += f(x + dx) + "," + f(y + dy) + " ";
    out.pop_back();
    return out + "\"" + begin + "</polygon>\n";
  };
  switch (style % kStyles) {
    case 0:
      return "<circle cx=\"" + f(x) + "\" cy=\"" + f(y) + "\" r=\"4\"" + begin + "</circle>\n";
    case 1:
      return polygon({{-4, -4}, {4, -4}, {4, 4}, {-4, 4}});
    case 2:
      return polygon({{0, -5}, {5, 4}, {-5, 4}});
    case 3:
      return polygon({{0, -5.5}, {5.5, 0}, {0, 5.5}, {-5.5, 0}});
    case 4:
      return polygon({{0, 5}, {5, -4}, {-5, -4}});
    case 5:
      return polygon({{-5, -1.7},
                      {-1.7, -1.7},
                      {-1.7, -5},
                      {1.7, -5},
                      {1.7, -1.7},
                      {5, -1.7},
                      {5, 1.7},
                      {1.7, 1.7},
                      {1.7, 5},
                      {-1.7, 5},
                      {-1.7, 1.7},
                      {-5, 1.7}});
    case 6:
      return polygon(
          {{-2.2, -5}, {2.2, -5}, {5, -2.2}, {5, 2.2}, {2.2, 5}, {-2.2, 5}, {-5, 2.2}, {-5, -2.2}});
    default:
      return polygon({{0, -6},
                      {1.6, -1.8},
                      {5.7, -1.8},
                      {2.4, 0.8},
                      {3.6, 5},
                      {0, 2.4},
                      {-3.6, 5},
                      {-2.4, 0.8},
                      {-5.7, -1.8},
                      {-1.6, -1.8}});
  }
}

const char* dash_of(int style) {
  static const char* const kDashes[kStyles] = {"",    "7 3", "2 3",  "9 3 2 3",
                                               "5 2", "1 2", "12 4", "4 4"};
  return kDashes[style % kStyles];
}

std::string colour_of(int style, bool ordinal) {
  return (ordinal ? "o" : "c") + std::to_string(style % kStyles);
}

std::vector<double> ticks_of(double high, int about, bool whole = false) {
  if (high <= 0) return {0, 1};
  const double raw = high / about, magnitude = std::pow(10, std::floor(std::log10(raw)));
  double step = magnitude * 10;
  for (const double nice : {1.0, 2.0, 2.5, 5.0}) {
    if (nice * magnitude < raw || (whole && nice == 2.5)) continue;
    step = nice * magnitude;
    break;
  }
  if (whole) step = std::max(step, 1.0);
  std::vector<double> out;
  for (double t = 0; t <= high + step * 0.999; t += step) out.push_back(t);
  return out;
}

// One axis: a value to a place on the paper.
struct Axis {
  double from = 0, to = 1, begin = 0, end = 1;
  bool log = false;
  double at(double value) const {
    const double v = log ? std::log10(std::max(value, 1e-12)) : value;
    const double a = log ? std::log10(from) : from, b = log ? std::log10(to) : to;
    return begin + (end - begin) * (b > a ? (v - a) / (b - a) : 0.5);
  }
};

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> out;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high * 1.0001;
       decade *= 10)
    for (const double m : {1.0, 2.0, 5.0})
      if (decade * m >= low * 0.999 && decade * m <= high * 1.001) out.push_back(decade * m);
  return out;
}

// `names` stand right of the plot; the picture grows when one is longer than the room that is
// there.
std::string head(const std::string& title, const std::vector<std::string>& names = {}) {
  constexpr double kLetter = 7.2, kMark = 34;
  double width = kWidth;
  for (const std::string& name : names)
    width = std::max(width, kWidth - kRight + kMark + kLetter * static_cast<double>(name.size()));
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + f(width) + " " + f(kHeight) +
         "\" role=\"img\" aria-label=\"" + html_escaped(title) +
         "\" class=\"chart\">\n<rect class=\"paper\" width=\"" + f(width) + "\" height=\"" +
         f(kHeight) + "\" rx=\"6\"/>\n" + text_at(kLeft, 26, title, "title", "start");
}

std::string frame(const std::string& x_label, const std::string& y_label) {
  return line_at(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis") +
         text_at((kLeft + kWidth - kRight) / 2, kHeight - 16, x_label, "label") +
         "<text transform=\"translate(18," + f((kTop + kHeight - kBottom) / 2) +
         ") rotate(-90)\" class=\"label\" text-anchor=\"middle\">" + html_escaped(y_label) +
         "</text>\n";
}

std::string horizontal(const Axis& y, const std::vector<double>& ticks) {
  std::string out;
  for (const double t : ticks) {
    out += line_at(kLeft, y.at(t), kWidth - kRight, y.at(t), "grid");
    out += text_at(kLeft - 8, y.at(t) + 4, short_number(t), "tick", "end");
  }
  return out;
}

std::string limit_line(const Axis& y, const std::optional<std::pair<double, std::string>>& limit) {
  if (!limit) return {};
  const double at = y.at(limit->first);
  return line_at(kLeft, at, kWidth - kRight, at, "limit") +
         text_at(kLeft + 6, at - 5, limit->second, "limit-name", "start");
}

// Spreads labels that would lie on each other, keeping their order.
void spread(std::vector<double>& places, double gap, double low, double high) {
  std::vector<size_t> order(places.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return places[a] < places[b]; });
  for (size_t i = 1; i < order.size(); ++i)
    places[order[i]] = std::max(places[order[i]], places[order[i - 1]] + gap);
  double ceiling = high;
  for (size_t i = order.size(); i-- > 0;) {
    places[order[i]] = std::max(low, std::min(places[order[i]], ceiling));
    ceiling = places[order[i]] - gap;
  }
}

double percentile_place(double p) { return 1 / (1 - std::min(p, 99.9999) / 100); }

}  // namespace

std::string html_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string short_number(double value) {
  char text[40];
  const double size = std::abs(value);
  if (size >= 1e6)
    snprintf(text, sizeof text, "%.3g M", value / 1e6);
  else if (size >= 1e4)
    snprintf(text, sizeof text, "%.3g k", value / 1e3);
  else if (size >= 1000)
    snprintf(text, sizeof text, "%.0f", value);
  else
    snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string draw(const LineChart& chart) {
  double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = 0;
  for (const ChartLine& line : chart.lines)
    for (const ChartPoint& point : line.points) {
      const double x = chart.percentiles_on_x ? percentile_place(point.x) : point.x;
      x_low = std::min(x_low, x);
      x_high = std::max(x_high, x);
      if (point.y > 0) y_low = std::min(y_low, point.y);
      y_high = std::max({y_high, point.y, point.high});
    }
  if (x_low > x_high)
    return head(chart.title) + text_at(kWidth / 2, kHeight / 2, "nothing was measured", "label") +
           "</svg>\n";
  if (chart.limit) {
    y_high = std::max(y_high, chart.limit->first * 1.08);
    y_low = std::min(y_low, chart.limit->first);
  }
  if (y_high <= 0) y_high = 1;
  y_low = std::min(y_low, y_high);
  std::vector<double> y_ticks =
      chart.log_y ? log_ticks(y_low / 1.3, y_high * 1.3) : ticks_of(y_high, 6);
  Axis y{chart.log_y ? y_low / 1.3 : 0, chart.log_y ? y_high * 1.3 : y_ticks.back(),
         kHeight - kBottom, kTop, chart.log_y};
  Axis x{chart.percentiles_on_x ? 1 : std::min(0.0, x_low), std::max(x_high, x_low + 1e-9), kLeft,
         kWidth - kRight, chart.percentiles_on_x};
  std::vector<std::string> names;
  for (const ChartLine& line : chart.lines) names.push_back(line.name);
  std::string out = head(chart.title, names) + horizontal(y, y_ticks);
  if (chart.percentiles_on_x) {
    for (const double p : {0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999})
      if (percentile_place(p) <= x.to * 1.001) {
        char name[24];
        snprintf(name, sizeof name, "%g", p);
        out += line_at(x.at(percentile_place(p)), kHeight - kBottom, x.at(percentile_place(p)),
                       kHeight - kBottom + 5, "axis");
        out += text_at(x.at(percentile_place(p)), kHeight - kBottom + 19, name, "tick");
      }
  } else {
    const std::vector<double> x_ticks = ticks_of(x.to, 9, x.to > 4);
    for (const double t : x_ticks)
      if (t <= x.to * 1.0001) {
        out += line_at(x.at(t), kHeight - kBottom, x.at(t), kHeight - kBottom + 5, "axis");
        out += text_at(x.at(t), kHeight - kBottom + 19, short_number(t), "tick");
      }
  }
  out += frame(chart.x_label, chart.y_label) + limit_line(y, chart.limit);
  std::vector<double> label_places;
  for (const ChartLine& line : chart.lines) {
    const std::string colour = colour_of(line.style, chart.ordinal_colours);
    const auto place = [&](const ChartPoint& p) {
      return std::pair(x.at(chart.percentiles_on_x ? percentile_place(p.x) : p.x),
                       y.at(std::max(p.y, y.from)));
    };
    const bool band =
        std::any_of(line.points.begin(), line.points.end(), [](auto& p) { return p.high > p.low; });
    if (band && line.points.size() > 1) {
      out += "<polygon class=\"band " + colour + "\" points=\"";
      for (const ChartPoint& p : line.points)
        out += f(place(p).first) + "," + f(y.at(std::max(p.high, p.y))) + " ";
      for (size_t i = line.points.size(); i-- > 0;)
        out += f(place(line.points[i]).first) + "," +
               f(y.at(line.points[i].high > line.points[i].low ? line.points[i].low
                                                               : line.points[i].y)) +
               " ";
      out += "\"/>\n";
    }
    out += "<polyline class=\"line " + colour + "\" points=\"";
    for (const ChartPoint& p : line.points)
      out += f(place(p).first) + "," + f(place(p).second) + " ";
    out += "\"";
    const std::string dash = line.dashed ? "3 4" : dash_of(line.style);
    if (!dash.empty()) out += " stroke-dasharray=\"" + dash + "\"";
    out += "/>\n";
    // Beyond fifty points the markers would be all there is to see.
    const size_t every = line.points.size() > 50 ? line.points.size() / 12 : 1;
    for (size_t i = 0; i < line.points.size(); ++i) {
      const ChartPoint& p = line.points[i];
      if (i % every != 0 && i + 1 != line.points.size()) continue;
      out += marker(place(p).first, place(p).second, line.style,
                    "mark " + colour + (p.doubtful ? " hollow" : ""), p.note);
    }
    label_places.push_back(line.points.empty() ? kTop : place(line.points.back()).second + 4);
  }
  spread(label_places, 16, kTop + 6, kHeight - kBottom);
  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const ChartLine& line = chart.lines[i];
    if (line.points.empty()) continue;
    const double at = kWidth - kRight + 10;
    out += marker(at + 5, label_places[i] - 4, line.style,
                  "mark " + colour_of(line.style, chart.ordinal_colours), "");
    out += text_at(at + 15, label_places[i], line.name, "name", "start");
  }
  return out + "</svg>\n";
}

std::string draw(const BarChart& chart) {
  double high = 0;
  for (const Bar& bar : chart.bars) {
    double sum = 0;
    for (const double part : bar.parts) sum += std::max(0.0, part);
    high = std::max(high, sum);
  }
  if (chart.limit) high = std::max(high, chart.limit->first * 1.08);
  const std::vector<double> ticks = ticks_of(high * 1.06, 6);
  const Axis y{0, ticks.back(), kHeight - kBottom, kTop, false};
  std::string out = head(chart.title, chart.part_names);
  if (chart.bars.empty())
    return out + text_at(kWidth / 2, kHeight / 2, "nothing was measured", "label") + "</svg>\n";
  out += horizontal(y, ticks) + frame(chart.x_label, chart.y_label);
  const double room = (kWidth - kRight - kLeft) / static_cast<double>(chart.bars.size());
  const double width = std::min(64.0, room * 0.7);
  // Labels are thinned out when there is no room for all.
  const size_t every = std::max<size_t>(1, static_cast<size_t>(std::ceil(34 / room)));
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double left = kLeft + room * (static_cast<double>(i) + 0.5) - width / 2;
    double below = 0;
    for (size_t part = 0; part < bar.parts.size(); ++part) {
      const double value = std::max(0.0, bar.parts[part]);
      if (value <= 0) continue;
      const int style = chart.part_names.size() > 1 ? static_cast<int>(part) : bar.style;
      const double top = y.at(below + value), bottom = y.at(below);
      const std::string note =
          (chart.part_names.size() > 1 ? chart.part_names[part] + ": " : bar.label + ": ") +
          short_number(value);
      out += "<rect x=\"" + f(left) + "\" y=\"" + f(top) + "\" width=\"" + f(width) +
             "\" height=\"" + f(bottom - top) + "\" class=\"bar " +
             colour_of(style, chart.ordinal_colours) + "\"><title>" + html_escaped(note) +
             "</title></rect>\n";
      below += value;
    }
    if (!bar.value_text.empty() && i % every == 0)
      out += text_at(left + width / 2, y.at(below) - 6, bar.value_text, "value");
    if (i % every == 0) out += text_at(left + width / 2, kHeight - kBottom + 19, bar.label, "tick");
  }
  out += limit_line(y, chart.limit);
  if (chart.part_names.size() > 1)
    for (size_t part = 0; part < chart.part_names.size(); ++part) {
      // Topmost part first, as in the bars.
      const size_t shown = chart.part_names.size() - 1 - part;
      const double at = kTop + 10 + 20 * static_cast<double>(part);
      out += "<rect x=\"" + f(kWidth - kRight + 12) + "\" y=\"" + f(at - 9) +
             "\" width=\"12\" height=\"12\" class=\"bar " +
             colour_of(static_cast<int>(shown), chart.ordinal_colours) + "\"/>\n" +
             text_at(kWidth - kRight + 30, at + 1, chart.part_names[shown], "name", "start");
    }
  return out + "</svg>\n";
}

std::string chart_css() {
  static const char* const kLight[kStyles] = {"#0067a5", "#c4510a", "#00785a", "#a8457f",
                                              "#8a6500", "#5b4fc4", "#6b6b6b", "#9c1f1f"};
  static const char* const kDark[kStyles] = {"#62b4f0", "#ff9d5c", "#4fd0a7", "#f19bcb",
                                             "#e8c14a", "#b3a8ff", "#b8b8b8", "#ff8a8a"};
  static const char* const kLightAmounts[kStyles] = {"#74a9cf", "#4f93c4", "#2f7ab5", "#2760a0",
                                                     "#2b4a8c", "#333577", "#38205f", "#2e0f45"};
  static const char* const kDarkAmounts[kStyles] = {"#3f6f9f", "#4b86bd", "#5f9dd6", "#7fb3e6",
                                                    "#9fc7ef", "#bcd8f5", "#d6e6f9", "#eef5fd"};
  const auto variables = [](const char* const* categories, const char* const* amounts) {
    std::string out;
    for (int i = 0; i < kStyles; ++i)
      out += "--c" + std::to_string(i) + ":" + categories[i] + ";--o" + std::to_string(i) + ":" +
             amounts[i] + ";";
    return out;
  };
  const std::string light =
      "--ink:#1c1e21;--faint:#5d636b;--grid:#e3e5e8;--paper:#ffffff;--limit:#b00020;" +
      variables(kLight, kLightAmounts);
  const std::string dark =
      "--ink:#e8eaed;--faint:#a3a9b1;--grid:#34383d;--paper:#1d2024;--limit:#ff7b8a;" +
      variables(kDark, kDarkAmounts);
  std::string out = ":root{" + light + "}\n@media (prefers-color-scheme:dark){:root{" + dark +
                    "}}\n@media print{:root{" + light + "}}\n";
  for (int i = 0; i < kStyles; ++i)
    for (const char* kind : {"c", "o"}) {
      const std::string n = kind + std::to_string(i);
      out += ".chart ." + n + "{--own:var(--" + n + ")}\n";
    }
  return out +
         ".chart{width:100%;height:auto;font-family:system-ui,'Segoe UI',Roboto,'Helvetica "
         "Neue',Arial,sans-serif}\n"
         ".chart .paper{fill:var(--paper)}\n.chart text{fill:var(--ink);font-size:12.5px}\n.chart "
         ".title{font-size:16px;font-weight:600}\n"
         ".chart .tick,.chart .label{fill:var(--faint)}\n.chart "
         ".value{font-size:12px;font-weight:600}\n"
         ".chart .grid{stroke:var(--grid);stroke-width:1}\n.chart "
         ".axis{stroke:var(--faint);stroke-width:1}\n"
         ".chart .limit{stroke:var(--limit);stroke-width:1.5;stroke-dasharray:8 4}\n.chart "
         ".limit-name{fill:var(--limit);font-weight:600;paint-order:stroke;stroke:var(--paper);"
         "stroke-width:4px;stroke-linejoin:round}\n"
         ".chart .line{fill:none;stroke:var(--own);stroke-width:2;stroke-linejoin:round}\n"
         ".chart .mark{fill:var(--own);stroke:var(--paper);stroke-width:1}\n.chart "
         ".hollow{fill:var(--paper);stroke:var(--own);stroke-width:1.6}\n"
         ".chart .band{fill:var(--own);opacity:.14}\n.chart "
         ".bar{fill:var(--own);stroke:var(--paper);stroke-width:1}\n";
}

std::string standalone_svg(const std::string& svg) {
  const size_t end = svg.find('>') + 1;
  return svg.substr(0, end) + "\n<style>" + chart_css() + "</style>" + svg.substr(end);
}

}  // namespace corolla::load
