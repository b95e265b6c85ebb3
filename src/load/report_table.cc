#include "load/report_table.h"

#include "load/svg_chart.h"

namespace corolla::load {

std::string html_table(const ReportTable& table) {
  std::string out = "<table><thead><tr>";
  for (const std::string& cell : table.head)
    out += "<th scope=\"col\">" + html_escaped(cell) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (const std::string& cell : row) out += "<td>" + html_escaped(cell) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody></table>";
}

}  // namespace corolla::load
