#include "serve/front/api_route.h"

#include <array>
#include <optional>
#include <utility>

#include "wire/json_text.h"

namespace corolla::front {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    int low = high >= 0 ? hex(text[i + 2]) : -1;
    if (low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// A path's components, taken one after the other.
class Components {
 public:
  explicit Components(std::string_view path) : rest_(path) {}
  bool end() const { return rest_.empty(); }
  // The next one, not decoded. Empty at the end, and for "//".
  std::string_view next() {
    if (!rest_.starts_with('/')) return {};
    size_t stop = rest_.find('/', 1);
    if (stop == std::string_view::npos) stop = rest_.size();
    std::string_view component = rest_.substr(1, stop - 1);
    rest_.remove_prefix(stop);
    return component;
  }
  bool skip(std::string_view word) {
    Components ahead = *this;
    if (ahead.next() != word) return false;
    *this = ahead;
    return true;
  }
  // A name that stands in the path.
  bool name(std::string& out) {
    auto decoded = percent_decoded(next());
    if (!decoded || decoded->empty()) return false;
    out = *std::move(decoded);
    return true;
  }

 private:
  std::string_view rest_;
};

enum class Method : uint8_t { kGet, kPost, kEither };

struct Target {
  Operation operation;
  Method method;
};

std::optional<Target> model_target(Components& path, Route& route) {
  // "stats" may also be a model's name.
  if (Components all = path; all.skip("stats") && all.end())
    return Target{Operation::kModelStatistics, Method::kGet};
  if (!path.name(route.model)) return std::nullopt;
  if (path.skip("versions") && !path.name(route.version)) return std::nullopt;
  if (path.end()) return Target{Operation::kModelMetadata, Method::kGet};
  static constexpr std::array<std::pair<std::string_view, Target>, 4> kVerbs = {{
      {"infer", {Operation::kInfer, Method::kPost}},
      {"ready", {Operation::kModelReady, Method::kGet}},
      {"config", {Operation::kModelConfig, Method::kGet}},
      {"stats", {Operation::kModelStatistics, Method::kGet}},
  }};
  for (const auto& [verb, target] : kVerbs)
    if (path.skip(verb)) return path.end() ? std::optional(target) : std::nullopt;
  if (path.skip("trace") && path.skip("setting") && path.end())
    return Target{Operation::kTraceSetting, Method::kEither};
  return std::nullopt;
}

std::optional<Target> repository_target(Components& path, Route& route) {
  // The name of a repository may come first.
  Components ahead = path;
  std::string_view first = ahead.next();
  if (!(first == "index" && ahead.end()) && first != "models" && !path.name(route.repository))
    return std::nullopt;
  if (path.skip("index"))
    return path.end() ? std::optional(Target{Operation::kRepositoryIndex, Method::kPost})
                      : std::nullopt;
  if (!path.skip("models") || !path.name(route.model)) return std::nullopt;
  if (path.skip("load") && path.end()) return Target{Operation::kModelLoad, Method::kPost};
  if (path.skip("unload") && path.end()) return Target{Operation::kModelUnload, Method::kPost};
  return std::nullopt;
}

std::optional<Target> shm_target(Components& path, Route& route, bool cuda) {
  if (path.skip("region") && !path.name(route.region)) return std::nullopt;
  if (path.end())
    return Target{cuda ? Operation::kCudaShmStatus : Operation::kSystemShmStatus, Method::kGet};
  std::string_view verb = path.next();
  if (!path.end()) return std::nullopt;
  if (verb == "status")
    return Target{cuda ? Operation::kCudaShmStatus : Operation::kSystemShmStatus, Method::kGet};
  if (verb == "unregister")
    return Target{cuda ? Operation::kCudaShmUnregister : Operation::kSystemShmUnregister,
                  Method::kPost};
  if (verb == "register" && !route.region.empty())
    return Target{cuda ? Operation::kCudaShmRegister : Operation::kSystemShmRegister,
                  Method::kPost};
  return std::nullopt;
}

std::optional<Target> target(Components path, Route& route) {
  if (!path.skip("v2")) return std::nullopt;
  if (path.end()) return Target{Operation::kServerMetadata, Method::kGet};
  std::string_view first = path.next();
  if (first == "models") return model_target(path, route);
  if (first.empty() && path.end()) return Target{Operation::kServerMetadata, Method::kGet};
  if (first == "health") {
    if (path.skip("live") && path.end()) return Target{Operation::kServerLive, Method::kGet};
    if (path.skip("ready") && path.end()) return Target{Operation::kServerReady, Method::kGet};
    return std::nullopt;
  }
  if (first == "repository") return repository_target(path, route);
  if (first == "systemsharedmemory") return shm_target(path, route, false);
  if (first == "cudasharedmemory") return shm_target(path, route, true);
  if (first == "trace" && path.skip("setting") && path.end())
    return Target{Operation::kTraceSetting, Method::kEither};
  if (first == "logging" && path.end()) return Target{Operation::kLogSettings, Method::kEither};
  return std::nullopt;
}

}  // namespace

HttpRoute route_http(std::string_view method, std::string_view path) {
  HttpRoute result;
  auto found = target(Components(path), result.route);
  if (!found) {
    result.status = 404;
    result.error = "there is nothing at '" + wire::to_utf8(path.substr(0, 200)) +
                   "'; the paths of the KServe v2 protocol begin with /v2";
    return result;
  }
  result.route.operation = found->operation;
  bool get = method == "GET", post = method == "POST";
  bool allowed = found->method == Method::kGet    ? get
                 : found->method == Method::kPost ? post
                                                  : get || post;
  if (!allowed) {
    result.status = 405;
    result.error = "method " + wire::to_utf8(method.substr(0, 20)) + " is not allowed for '" +
                   wire::to_utf8(path.substr(0, 200)) + "'; use " +
                   (found->method == Method::kPost  ? "POST"
                    : found->method == Method::kGet ? "GET"
                                                    : "GET or POST");
  }
  result.route.change = post;
  return result;
}

Result<Route> route_grpc(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, Operation>, 20> kMethods = {{
      {"ModelInfer", Operation::kInfer},
      {"ModelStreamInfer", Operation::kStreamInfer},
      {"ServerLive", Operation::kServerLive},
      {"ServerReady", Operation::kServerReady},
      {"ModelReady", Operation::kModelReady},
      {"ServerMetadata", Operation::kServerMetadata},
      {"ModelMetadata", Operation::kModelMetadata},
      {"ModelConfig", Operation::kModelConfig},
      {"ModelStatistics", Operation::kModelStatistics},
      {"RepositoryIndex", Operation::kRepositoryIndex},
      {"RepositoryModelLoad", Operation::kModelLoad},
      {"RepositoryModelUnload", Operation::kModelUnload},
      {"SystemSharedMemoryStatus", Operation::kSystemShmStatus},
      {"SystemSharedMemoryRegister", Operation::kSystemShmRegister},
      {"SystemSharedMemoryUnregister", Operation::kSystemShmUnregister},
      {"CudaSharedMemoryStatus", Operation::kCudaShmStatus},
      {"CudaSharedMemoryRegister", Operation::kCudaShmRegister},
      {"CudaSharedMemoryUnregister", Operation::kCudaShmUnregister},
      {"TraceSetting", Operation::kTraceSetting},
      {"LogSettings", Operation::kLogSettings},
  }};
  constexpr std::string_view kService = "/inference.GRPCInferenceService/";
  Route route;
  if (path.starts_with(kService)) {
    std::string_view name = path.substr(kService.size());
    for (const auto& [method, operation] : kMethods) {
      if (method != name) continue;
      route.operation = operation;
      return route;
    }
  }
  if (path == "/grpc.health.v1.Health/Check") {
    route.operation = Operation::kHealthCheck;
    return route;
  }
  return Error{Code::kUnsupported,
               "there is no method '" + wire::to_utf8(path.substr(0, 200)) + "'"};
}

}  // namespace corolla::front
