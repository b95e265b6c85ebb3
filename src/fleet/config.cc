#include "fleet/config.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "fleet/engine_yaml.h"
#include "fleet/slices_yaml.h"
#include "yaml/yaml_values.h"

namespace corolla::fleet {
namespace {

using slice::kMostSlices;
using yaml::error_at, yaml::kind_of, yaml::Place, yaml::Reader;
using yaml::read_any_mapping, yaml::read_bytes, yaml::read_choice, yaml::read_duration;
using yaml::read_mapping, yaml::read_name, yaml::read_number, yaml::read_text;

const std::vector<std::string> kRoles = {"http", "grpc", "metrics", "any"};

Error invalid(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}
constexpr std::string_view kWordLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

std::optional<uint32_t> small_number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string absolute(const std::string& path, const std::string& directory) {
  const std::filesystem::path given(path);
  return (given.is_absolute() ? given : std::filesystem::path(directory) / given)
      .lexically_normal()
      .string();
}

// Wraps a parser of plain text into a reader that adds the place to its Error.
template <class T>
Result<T> parsed(Result<T> result, const YAML::Node& node, const Place& at) {
  if (!result) return error_at(at, node, result.error().what);
  return result;
}

Reader path_into(std::string& out, const std::string& directory) {
  return [&out, directory](const YAML::Node& node, const Place& at) -> Status {
    ASSIGN_OR_RETURN(const std::string path, read_text(node, at));
    out = absolute(path, directory);
    return ok();
  };
}
template <class N>
Reader number_into(N& out, uint64_t least, uint64_t most) {
  return [&out, least, most](const YAML::Node& node, const Place& at) -> Status {
    ASSIGN_OR_RETURN(const uint64_t value, read_number(node, at, least, most));
    out = static_cast<N>(value);
    return ok();
  };
}
Reader bytes_into(uint64_t& out, uint64_t least, uint64_t most) {
  return [&out, least, most](const YAML::Node& node, const Place& at) -> Status {
    ASSIGN_OR_RETURN(out, read_bytes(node, at, least, most));
    return ok();
  };
}
Reader duration_into(Duration& out, Duration least, Duration most) {
  return [&out, least, most](const YAML::Node& node, const Place& at) -> Status {
    ASSIGN_OR_RETURN(out, read_duration(node, at, least, most));
    return ok();
  };
}

Status read_listen(const YAML::Node& node, const Place& place,
                   std::map<std::string, Endpoint>& listen) {
  std::string address = "127.0.0.1";
  if (node.IsMap() && node["address"].IsDefined()) {
    const YAML::Node said = node["address"];
    ASSIGN_OR_RETURN(const std::string text, read_text(said, place / "address"));
    ASSIGN_OR_RETURN(
        const auto endpoint,
        parsed(parse_endpoint(
                   (text.find(':') == std::string::npos ? text : "[" + text + "]") + ":1", address),
               said, place / "address"));
    address = endpoint->address;
    // The ports that the file does not name move to this address too.
    for (auto& [role, where] : listen) where.address = address;
  }
  std::vector<std::pair<std::string, Reader>> known = {
      {"address", [](const YAML::Node&, const Place&) { return ok(); }}};
  for (const std::string& role : kRoles) {
    known.emplace_back(role, [&, role](const YAML::Node& value, const Place& at) -> Status {
      ASSIGN_OR_RETURN(const std::string text, read_text(value, at));
      ASSIGN_OR_RETURN(const auto endpoint, parsed(parse_endpoint(text, address), value, at));
      listen.erase(role);
      if (endpoint) listen.emplace(role, *endpoint);
      return ok();
    });
  }
  RETURN_IF_ERROR(read_mapping(node, place, known));
  return parsed(check_listeners(listen), node, place);
}

Status read_model(const YAML::Node& node, const Place& place, ModelWish& model) {
  return read_mapping(
      node, place,
      {{"slices",
        [&](const YAML::Node& value, const Place& at) -> Status {
          model.slices.reset();
          if (value.IsScalar() && value.Scalar() == "all") return ok();
          ASSIGN_OR_RETURN(const uint64_t count, read_number(value, at, 0, kMostSlices));
          model.slices = static_cast<uint32_t>(count);
          return ok();
        }},
       {"on",
        [&](const YAML::Node& value, const Place& at) -> Status {
          model.on.clear();
          if (value.IsScalar()) {
            ASSIGN_OR_RETURN(std::string label, read_text(value, at));
            model.on.push_back(std::move(label));
            return ok();
          }
          if (!value.IsSequence() || value.size() == 0)
            return error_at(at, value,
                            "should be a list of slices' names, profiles or kinds, such as "
                            "[big, 1g.10gb, mps], and is " +
                                kind_of(value));
          for (const YAML::Node& one : value) {
            ASSIGN_OR_RETURN(std::string label, read_text(one, at));
            model.on.push_back(std::move(label));
          }
          return ok();
        }},
       {"versions",
        [&](const YAML::Node& value, const Place& at) -> Status {
          if (!value.IsSequence())
            return error_at(at, value, "should be a list of numbers, and is " + kind_of(value));
          for (const YAML::Node& one : value) {
            ASSIGN_OR_RETURN(const uint64_t version, read_number(one, at, 1, INT64_MAX));
            model.versions.push_back(static_cast<int64_t>(version));
          }
          return ok();
        }},
       {"image",
        [&](const YAML::Node& value, const Place& at) -> Status {
          ASSIGN_OR_RETURN(model.parameters["image"],
                           read_choice(value, at, {"u8", "encoded", "off"}));
          return ok();
        }},
       {"parameters", [&](const YAML::Node& value, const Place& at) -> Status {
          return read_any_mapping(
              value, at,
              [&](const std::string& key, const YAML::Node& one, const Place& where) -> Status {
                ASSIGN_OR_RETURN(model.parameters[key], read_text(one, where));
                return ok();
              });
        }}});
}

Status read_models(const YAML::Node& node, const Place& place,
                   std::map<std::string, ModelWish>& models) {
  models.clear();
  return read_any_mapping(
      node, place,
      [&](const std::string& name, const YAML::Node& value, const Place& at) -> Status {
        if (!all_of(name, kWordLetters) || name.size() > 255 || name.front() == '.')
          return error_at(at, value,
                          "a model's name has letters, digits, '-', '_' and '.', and begins "
                          "with none of those but a letter or digit");
        return read_model(value, at, models[name]);
      });
}

Status read_client_shm(const YAML::Node& node, const Place& at, Limits& limits) {
  ASSIGN_OR_RETURN(std::string text, read_text(node, at));
  limits.client_shm = text != "off";
  limits.client_shm_prefix.clear();
  if (text == "on" || text == "off") return ok();
  if (text.starts_with('/')) text.erase(0, 1);
  if (!all_of(text, kWordLetters) || text.size() > 200)
    return error_at(at, node,
                    "should be on, off, or how the names of the objects begin, such as /triton_");
  limits.client_shm_prefix = std::move(text);
  return ok();
}

Status read_limits(const YAML::Node& node, const Place& place, Limits& limits) {
  using std::chrono::hours, std::chrono::milliseconds, std::chrono::seconds;
  RETURN_IF_ERROR(read_mapping(
      node, place,
      {{"arena", bytes_into(limits.arena_bytes, 1 << 20, 1ull << 40)},
       {"replies", bytes_into(limits.reply_bytes, 1 << 20, 1ull << 36)},
       {"io_threads", number_into(limits.io_threads, 0, 16)},
       {"connections", number_into(limits.connections, 1, 1000000)},
       {"header", bytes_into(limits.header_bytes, 1 << 10, 16 << 20)},
       {"body", bytes_into(limits.body_bytes, 1 << 10, 1ull << 36)},
       {"header_timeout", duration_into(limits.header_timeout, milliseconds(100), hours(1))},
       {"body_timeout", duration_into(limits.body_timeout, milliseconds(100), hours(1))},
       {"idle_timeout", duration_into(limits.idle_timeout, milliseconds(100), hours(24))},
       {"queue", number_into(limits.queue, 1, 1000000)},
       {"hang_timeout", duration_into(limits.hang_timeout, milliseconds(100), hours(24))},
       {"shm_lease_check", duration_into(limits.shm_lease_check, milliseconds(10), hours(1))},
       {"client_shm", [&](const YAML::Node& value, const Place& at) {
          return read_client_shm(value, at, limits);
        }}}));
  if (limits.body_bytes > limits.arena_bytes)
    return error_at(place, node,
                    "body (" + std::to_string(limits.body_bytes) +
                        " bytes) is larger than arena (" + std::to_string(limits.arena_bytes) +
                        " bytes), where each request must fit");
  return ok();
}

Status read_root(const YAML::Node& root, const Place& place, const std::string& directory,
                 FleetConfig& config) {
  using std::chrono::hours, std::chrono::milliseconds, std::chrono::minutes;
  return read_mapping(
      root, place,
      {{"name",
        [&](const YAML::Node& node, const Place& at) -> Status {
          ASSIGN_OR_RETURN(config.name, read_name(node, at));
          return ok();
        }},
       {"listen", [&](const YAML::Node& node,
                      const Place& at) { return read_listen(node, at, config.listen); }},
       {"models_dir", path_into(config.models_dir, directory)},
       {"models", [&](const YAML::Node& node,
                      const Place& at) { return read_models(node, at, config.models); }},
       {"slices", [&](const YAML::Node& node,
                      const Place& at) { return read_slices(node, at, config.slices); }},
       {"engine",
        [&](const YAML::Node& node, const Place& at) -> Status {
          EngineWish engine{config.engine, config.engine_options};
          RETURN_IF_ERROR(read_engine(node, at, engine));
          config.engine = std::move(engine.name);
          config.engine_options = std::move(engine.options);
          return ok();
        }},
       {"limits", [&](const YAML::Node& node,
                      const Place& at) { return read_limits(node, at, config.limits); }},
       {"tls",
        [&](const YAML::Node& node, const Place& at) -> Status {
          RETURN_IF_ERROR(
              read_mapping(node, at,
                           {{"certificate", path_into(config.certificate_file, directory)},
                            {"key", path_into(config.key_file, directory)}}));
          if (config.certificate_file.empty() != config.key_file.empty())
            return error_at(at, node, "certificate and key must be given together");
          return ok();
        }},
       {"cache", path_into(config.cache_dir, directory)},
       {"drain", duration_into(config.drain_limit, milliseconds(0), hours(24))},
       {"quit", duration_into(config.quit_limit, milliseconds(10), minutes(10))},
       {"restart",
        [&](const YAML::Node& node, const Place& at) {
          RestartSettings& restart = config.restart;
          return read_mapping(
              node, at,
              {{"first_delay", duration_into(restart.first_delay, milliseconds(1), hours(1))},
               {"longest_delay", duration_into(restart.longest_delay, milliseconds(1), hours(1))},
               {"settled", duration_into(restart.settled, milliseconds(1), hours(24))},
               {"crashes", number_into(restart.crash_limit, 1, 1000000)},
               {"window", duration_into(restart.crash_window, milliseconds(1), hours(24))}});
        }},
       {"log", [&](const YAML::Node& node, const Place& at) {
          return read_mapping(
              node, at,
              {{"format",
                [&](const YAML::Node& value, const Place& where) -> Status {
                  ASSIGN_OR_RETURN(const std::string format,
                                   read_choice(value, where, {"human", "json"}));
                  config.log_json = format == "json";
                  return ok();
                }},
               {"level", [&](const YAML::Node& value, const Place& where) -> Status {
                  ASSIGN_OR_RETURN(const std::string level,
                                   read_choice(value, where, {"debug", "info", "warn", "error"}));
                  config.log_level = level == "debug"  ? log::Level::kDebug
                                     : level == "info" ? log::Level::kInfo
                                     : level == "warn" ? log::Level::kWarn
                                                       : log::Level::kError;
                  return ok();
                }}});
        }}});
}

}  // namespace

std::string Endpoint::text() const {
  return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" +
         std::to_string(port);
}

Result<std::optional<Endpoint>> parse_endpoint(std::string_view text, const std::string& address) {
  if (text == "off") return std::optional<Endpoint>();
  Endpoint endpoint{address, 0};
  std::string_view port = text;
  if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.size() > 1 && host.front() == '[' && host.back() == ']')
      host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    if (host == "*") host = "0.0.0.0";
    if (!host.empty()) endpoint.address = host;
  }
  unsigned char ignored[16];
  if (::inet_pton(AF_INET, endpoint.address.c_str(), ignored) != 1 &&
      ::inet_pton(AF_INET6, endpoint.address.c_str(), ignored) != 1)
    return invalid("'" + endpoint.address +
                   "' is no numeric address; write for example 8000, 0.0.0.0:8000 or [::1]:8000");
  const auto number = small_number(port);
  if (!number || *number > 65535)
    return invalid("'" + std::string(port.substr(0, 40)) +
                   "' is no port: write a number from 0 (any free one) to 65535, or off");
  endpoint.port = static_cast<uint16_t>(*number);
  return std::optional<Endpoint>(endpoint);
}

Status check_listeners(const std::map<std::string, Endpoint>& listen) {
  for (auto a = listen.begin(); a != listen.end(); ++a)
    for (auto b = std::next(a); b != listen.end(); ++b)
      if (a->second.port == b->second.port && a->second.port != 0)
        return invalid("port " + std::to_string(a->second.port) + " is asked for by " + a->first +
                       " and by " + b->first +
                       "; give each its own ('any' takes HTTP and gRPC on one port)");
  return ok();
}

std::string default_cache_dir() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value ? std::string(value) : std::string();
  };
  if (const std::string xdg = set("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/corolla";
  if (const std::string home = set("HOME"); !home.empty() && home != "/")
    return home + "/.cache/corolla";
  return "/tmp/corolla-cache-" + std::to_string(::getuid());
}

Result<FleetConfig> read_config(std::string_view text, const std::string& file_name,
                                const std::string& directory, const FleetConfig& base) {
  FleetConfig config = base;
  RETURN_IF_ERROR(
      yaml::read_document(text, file_name, [&](const YAML::Node& root, const Place& at) {
        return read_root(root, at, directory, config);
      }));
  return config;
}

Result<FleetConfig> read_config_file(const std::string& path, const FleetConfig& base) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return invalid(path + " is a folder; a fleet's description is a file such as corolla.yaml");
  std::ifstream file(path, std::ios::binary);
  if (!file) return invalid("cannot read " + path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  const std::string directory = std::filesystem::absolute(path, ignored).parent_path().string();
  return read_config(text.str(), path, directory, base);
}

}  // namespace corolla::fleet
