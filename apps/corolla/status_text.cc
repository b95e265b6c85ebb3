#include "status_text.h"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "client/json_text.h"
#include "json_object.h"
#include "slice/slice_wish.h"
#include "slice/topology.h"

namespace corolla::app {
namespace {

using fleet::control::FleetStatus;
using fleet::control::FrontStatus;
using fleet::control::WorkerStatus;

std::string worker_json(const WorkerStatus& w) {
  return JsonObject()
      .number("worker", w.worker())
      .text("slice", w.slice())
      .text("kind", w.kind())
      .text("profile", w.profile())
      .text("walls", w.walls())
      .raw("cores", json_list(w.cores(), [](uint32_t cpu) { return std::to_string(cpu); }))
      .number("pid", static_cast<uint64_t>(w.pid()))
      .text("state", w.state())
      .raw("models",
           json_list(w.models(), [](const std::string& m) { return client::json_string(m); }))
      .text("problem", w.problem())
      .number("restarts", w.restarts())
      .text("last_death", w.last_death())
      .number("memory_bytes", w.memory_bytes())
      .seconds("uptime_s", w.uptime_s())
      .text("engine", w.engine())
      .number("load_ms", w.load_ms())
      .flag("from_cache", w.from_cache())
      .number("device", w.device())
      .number("sm_count", w.sm_count())
      .number("contexts", w.contexts())
      .number("memory_limit_bytes", w.memory_limit_bytes())
      .text("held_by", w.held_by())
      .str();
}

std::string duration_text(double seconds) {
  char text[48];
  const auto s = static_cast<uint64_t>(seconds);
  if (s < 60)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else if (s < 3600)
    std::snprintf(text, sizeof text, "%llu min %llu s", static_cast<unsigned long long>(s / 60),
                  static_cast<unsigned long long>(s % 60));
  else
    std::snprintf(text, sizeof text, "%llu h %llu min", static_cast<unsigned long long>(s / 3600),
                  static_cast<unsigned long long>(s / 60 % 60));
  return text;
}

std::string memory_text(uint64_t bytes) {
  if (bytes == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "-" : text;
}

// Where a worker runs, and how strong the walls around it are.
std::string place_text(const WorkerStatus& w) {
  if (!slice::on_gpu(w.kind()))
    return w.cores().empty() ? "-" : slice::cpu_list_text({w.cores().begin(), w.cores().end()});
  std::string text = "GPU " + std::to_string(w.device());
  if (w.sm_count() > 0) text += ", " + std::to_string(w.sm_count()) + " SMs";
  if (w.contexts() > 1) text += " in " + std::to_string(w.contexts());
  return text + ", walls: " + w.walls();
}

// How many requests each worker has answered for this front, by the worker's number.
std::map<uint32_t, uint64_t> requests_of(const std::string& front_json) {
  std::map<uint32_t, uint64_t> requests;
  simdjson::dom::parser parser;
  simdjson::dom::array workers;
  if (parser.parse(front_json)["workers"].get(workers)) return requests;
  for (const simdjson::dom::element worker : workers) {
    double id = 0, completed = 0;
    if (!worker["worker"].get(id) && !worker["completed"].get(completed))
      requests[static_cast<uint32_t>(id)] = static_cast<uint64_t>(completed);
  }
  return requests;
}

const char* colour_of(const std::string& state) {
  if (state == "serving" || state == "ready") return "\033[32m";
  if (state == "parked" || state == "dead" || state == "not ready") return "\033[31m";
  return "\033[33m";
}

// Rows of cells as aligned columns. The third column's words may be coloured, which must not count
// as width.
std::string table(const std::vector<std::vector<std::string>>& rows, bool colours) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) {
      const bool coloured = colours && i == 2 && &row != &rows.front();
      line += ' ';
      if (coloured) line += colour_of(row[i]);
      line += row[i];
      if (coloured) line += "\033[0m";
      line.append(widths[i] - row[i].size() + 1, ' ');
    }
    while (line.back() == ' ') line.pop_back();
    out += line + "\n";
  }
  return out;
}

}  // namespace

std::string status_json(const FleetStatus& s) {
  const FrontStatus& f = s.front();
  JsonObject listeners;
  for (const auto& listener : s.listeners()) listeners.text(listener.role(), listener.address());
  JsonObject front;
  front.number("pid", static_cast<uint64_t>(f.pid()))
      .text("state", f.state())
      .flag("ready", f.state() == "ready")
      .text("problem", f.problem())
      .seconds("uptime_s", f.uptime_s())
      .number("restarts", f.restarts())
      .text("last_death", f.last_death())
      .number("memory_bytes", f.memory_bytes());
  return JsonObject()
      .text("name", s.name())
      .text("state", s.state())
      .number("keeper_pid", static_cast<uint64_t>(s.keeper_pid()))
      .seconds("uptime_s", s.uptime_s())
      .text("engine", s.engine())
      .text("models_dir", s.models_dir())
      .text("config_file", s.config_file())
      .raw("listeners", listeners.str())
      .raw("front", front.str())
      .raw("workers", json_list(s.workers(), worker_json))
      .raw("models", json_list(s.models(),
                               [](const auto& m) {
                                 return JsonObject()
                                     .text("name", m.name())
                                     .number("wanted", m.wanted())
                                     .number("serving", m.serving())
                                     .str();
                               }))
      // What the front says about itself, word for word.
      .raw("serving", s.front_json().empty() ? "null" : s.front_json())
      .str();
}

std::string addresses_text(const FleetStatus& s) {
  std::string text;
  for (const auto& listener : s.listeners())
    text += (text.empty() ? "" : ", ") + listener.role() + " " + listener.address();
  return text;
}

std::string status_text(const FleetStatus& s, bool colours) {
  const auto painted = [&](const std::string& state) {
    return colours ? colour_of(state) + state + "\033[0m" : state;
  };
  std::string out = "fleet " + s.name() + ": " + painted(s.state()) + " for " +
                    duration_text(s.uptime_s()) + " (keeper " + std::to_string(s.keeper_pid()) +
                    ", engine " + s.engine() + ")\n";
  out += "addresses: " + addresses_text(s) + "\n";
  const FrontStatus& f = s.front();
  out += "front: " + painted(f.state());
  if (f.pid() != 0)
    out += ", pid " + std::to_string(f.pid()) + ", up " + duration_text(f.uptime_s()) + ", " +
           memory_text(f.memory_bytes());
  if (f.restarts() > 0)
    out += ", " + std::to_string(f.restarts()) + " restarts (last death: " + f.last_death() + ")";
  if (!f.problem().empty()) out += "; " + f.problem();
  out += "\n";

  const bool gpus = std::any_of(s.workers().begin(), s.workers().end(),
                                [](const WorkerStatus& w) { return slice::on_gpu(w.kind()); });
  std::vector<std::vector<std::string>> rows = {{"slice", gpus ? "runs on" : "cores", "state",
                                                 "pid", "up", "memory", "restarts", "requests",
                                                 "models"}};
  const std::map<uint32_t, uint64_t> requests = requests_of(s.front_json());
  for (const WorkerStatus& w : s.workers())
    rows.push_back({w.slice(), place_text(w), w.state(), w.pid() ? std::to_string(w.pid()) : "-",
                    w.pid() ? duration_text(w.uptime_s()) : "-", memory_text(w.memory_bytes()),
                    std::to_string(w.restarts()),
                    requests.contains(w.worker()) ? std::to_string(requests.at(w.worker())) : "-",
                    joined(w.models())});
  out += "workers:\n" + table(rows, colours);
  if (std::any_of(s.workers().begin(), s.workers().end(),
                  [](const WorkerStatus& w) { return w.kind() == "sm"; }))
    out += "  slices of one sm split share a process, its memory and its faults\n";
  if (std::any_of(s.workers().begin(), s.workers().end(),
                  [](const WorkerStatus& w) { return w.held_by() == "cgroup"; }))
    out += "  cores, CPU time and memory limits are held by control groups\n";
  for (const WorkerStatus& w : s.workers()) {
    if (!w.last_death().empty())
      out += "  " + w.slice() + ": its last worker ended: " + w.last_death() + "\n";
    if (!w.problem().empty()) out += "  " + w.slice() + ": " + w.problem() + "\n";
  }
  if (!s.models().empty()) {
    out += "models:";
    for (const auto& m : s.models())
      out += (&m == &s.models(0) ? " " : ", ") + m.name() + " on " + std::to_string(m.serving()) +
             " of " + std::to_string(m.wanted()) + (m.wanted() == 1 ? " slice" : " slices");
    out += "\n";
  }
  return out;
}

bool colours_wanted() {
  const char* none = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) && !(none && *none);
}

}  // namespace corolla::app
