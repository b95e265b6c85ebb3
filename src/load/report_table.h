// A table under a chart.
#pragma once
#include <string>
#include <vector>

namespace corolla::load {

struct ReportTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

std::string html_table(const ReportTable& table);

}  // namespace corolla::load
