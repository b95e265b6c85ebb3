#include "wire/grpc_headers.h"

namespace corolla::wire {

bool is_grpc_content_type(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  std::string_view rest = content_type.substr(kGrpc.size());
  if (rest.starts_with("+proto")) rest.remove_prefix(6);
  return rest.empty() || rest.front() == ';' || rest.front() == ' ';
}

bool is_grpc_path(std::string_view path) {
  return path.starts_with("/inference.GRPCInferenceService/") ||
         path.starts_with("/grpc.health.v1.Health/");
}

bool client_streams(std::string_view path) {
  return path == "/inference.GRPCInferenceService/ModelStreamInfer";
}

std::optional<Duration> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t value = 0;
  for (char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  using namespace std::chrono;
  switch (text.back()) {
    case 'H':
      // 99,999,999 hours are more than 63 bits of nanoseconds; a year is as good as never.
      return hours(std::min<int64_t>(value, 24 * 365));
    case 'M':
      return minutes(std::min<int64_t>(value, 60 * 24 * 365));
    case 'S':
      return seconds(std::min<int64_t>(value, 3600 * 24 * 365));
    case 'm':
      return milliseconds(value);
    case 'u':
      return microseconds(value);
    case 'n':
      return nanoseconds(value);
    default:
      return std::nullopt;
  }
}

std::optional<Coding> parse_coding(std::string_view name) {
  for (Coding coding : {Coding::kIdentity, Coding::kGzip, Coding::kDeflate})
    if (name == coding_name(coding)) return coding;
  return std::nullopt;
}

bool accepts(std::string_view list, Coding coding) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_first_of(" \t;"));
    if (item == coding_name(coding)) return true;
  }
  return false;
}

}  // namespace corolla::wire
