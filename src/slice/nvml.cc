#include "slice/nvml.h"

namespace corolla::slice {

std::string processes_text(const std::vector<Process>& processes) {
  std::string text;
  for (const Process& process : processes) {
    text += text.empty() ? "" : ", ";
    text += process.name.empty() ? "PID " + std::to_string(process.pid)
                                 : process.name + " (PID " + std::to_string(process.pid) + ")";
  }
  return text;
}

}  // namespace corolla::slice
