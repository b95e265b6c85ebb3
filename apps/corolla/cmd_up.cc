// `corolla up`: becomes the keeper of a fleet and stays until it is told to stop.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "fleet/keeper.h"
#include "line_writer.h"
#include "service_manager.h"
#include "status_text.h"
#include "subcommand.h"

namespace corolla::app {
namespace {

struct Options {
  std::string file;
  std::optional<std::string> name, models, slices, engine, cache;
  std::optional<std::string> address;
  std::map<std::string, std::string> listen;  // by role
  std::optional<uint32_t> io_threads, arena_mb, drain_s;
  bool log_json = false, verbose = false, json = false;
};

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

// Addresses, folders and limits of the command line.
Status take_fixed(const Options& options, fleet::FleetConfig& config) {
  if (options.name) config.name = *options.name;
  std::string address = config.listen.empty() ? "127.0.0.1" : config.listen.begin()->second.address;
  if (options.address) {
    const bool v6 = options.address->find(':') != std::string::npos;
    ASSIGN_OR_RETURN(const auto endpoint,
                     fleet::parse_endpoint(
                         (v6 ? "[" + *options.address + "]" : *options.address) + ":1", address));
    address = endpoint->address;
    for (auto& [role, where] : config.listen) where.address = address;
  }
  for (const auto& [role, text] : options.listen) {
    auto endpoint = fleet::parse_endpoint(text, address);
    if (!endpoint.ok())
      return Error{Code::kInvalidArgument, "--" + role + ": " + endpoint.error().what};
    config.listen.erase(role);
    if (*endpoint) config.listen.emplace(role, **endpoint);
  }
  if (options.models) config.models_dir = absolute(*options.models);
  if (options.cache) config.cache_dir = absolute(*options.cache);
  if (options.io_threads) config.limits.io_threads = *options.io_threads;
  if (options.arena_mb) {
    config.limits.arena_bytes = uint64_t{*options.arena_mb} << 20;
    config.limits.body_bytes = std::min(config.limits.body_bytes, config.limits.arena_bytes);
  }
  if (options.drain_s) config.drain_limit = std::chrono::seconds(*options.drain_s);
  if (options.log_json) config.log_json = true;
  if (options.verbose) config.log_level = log::Level::kDebug;
  return ok();
}

// What `corolla apply` may change later.
Status take_changeable(const Options& options, fleet::FleetConfig& config) {
  if (options.engine) config.engine = *options.engine;
  if (options.slices) {
    auto wish = fleet::parse_slices(*options.slices);
    if (!wish.ok()) return Error{Code::kInvalidArgument, "--slices: " + wish.error().what};
    config.slices = *wish;
  }
  return ok();
}

Result<fleet::FleetConfig> configuration(const Options& options) {
  fleet::FleetConfig config;
  if (!options.file.empty()) {
    ASSIGN_OR_RETURN(config, fleet::read_config_file(options.file));
  }
  RETURN_IF_ERROR(take_changeable(options, config));
  RETURN_IF_ERROR(take_fixed(options, config));
  config.models_dir = absolute(config.models_dir);
  return config;
}

Status serve(const Options& options, LineWriter& writer) {
  ASSIGN_OR_RETURN(fleet::FleetConfig config, configuration(options));
  log::init("keeper", config.log_json, config.log_level);
  fleet::Keeper* keeper = nullptr;
  log::set_output([&](std::string_view line) {
    if (keeper) keeper->log_line(line);
    writer.write(line);
  });
  struct Restore {  // what the log refers to ends here
    ~Restore() {
      log::set_output([](std::string_view) {});
    }
  } restore;

  fleet::KeeperOptions start;
  start.bin_dir = std::filesystem::canonical("/proc/self/exe").parent_path().string();
  start.config_file = options.file.empty() ? "" : absolute(options.file);
  // Both were accepted above, so that they cannot fail later.
  start.always = [options](fleet::FleetConfig& c) {
    (void)take_fixed(options, c);
    c.models_dir = absolute(c.models_dir);
  };
  start.until_applied = [options](fleet::FleetConfig& c) { (void)take_changeable(options, c); };
  start.forward_line = [&](std::string_view line) { writer.write(line); };
  start.ready = [&](const fleet::control::FleetStatus& status, Duration took) {
    if (options.json)
      std::printf("%s\n", status_json(status).c_str());
    else
      std::printf("ready in %.2f s: %s (%d %s, engine %s); Ctrl-C stops it\n", to_seconds(took),
                  addresses_text(status).c_str(), status.workers_size(),
                  status.workers_size() == 1 ? "slice" : "slices", status.engine().c_str());
    std::fflush(stdout);
    tell_service_manager("READY=1\nSTATUS=" + addresses_text(status));
  };
  ASSIGN_OR_RETURN(auto made, fleet::Keeper::create(std::move(config), std::move(start)));
  keeper = made.get();
  const Status result = keeper->run();
  keeper = nullptr;
  return result;
}

int run(const Options& options) {
  LineWriter writer;
  const Status result = serve(options, writer);
  const int code = result.ok() ? kSuccess : exit_code_of(result.error());
  if (!writer.finish(std::chrono::seconds(1))) ::_exit(code);
  return result.ok() ? kSuccess : fail(result.error());
}

void add(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* up = app.add_subcommand("up", "Start a fleet and keep it running");
  up->add_option("-f,--file", o->file, "The fleet's description (see docs/corolla-yaml.md)")
      ->check(CLI::ExistingFile);
  up->add_option("--models", o->models, "Model repository, in Triton's layout [models]")
      ->type_name("DIR");
  up->add_option("--slices", o->slices,
                 "2, cores:2x4 (two of four cores), cores:4,1,1, threads:4x1, mps:50,25,25 or "
                 "mps:14x7 (percent of a GPU), sm:16,16,100 (SMs), mig:1g.10gb*7 or auto [auto]");
  up->add_option("--engine", o->engine, "What runs the models: openvino, cuda or null [openvino]");
  up->add_option("--address", o->address, "Where to listen [127.0.0.1]; 0.0.0.0: everywhere");
  for (const auto& [role, what] :
       {std::pair("http", "HTTP port [8000]"), std::pair("grpc", "gRPC port [8001]"),
        std::pair("metrics", "Port for Prometheus [8002]"),
        std::pair("any", "Port that takes both HTTP and gRPC [off]")})
    up->add_option_function<std::string>(
          std::string("--") + role,
          [o, role = std::string(role)](const std::string& text) { o->listen[role] = text; },
          std::string(what) + "; PORT, ADDRESS:PORT, 0 (any free one) or off")
        ->type_name("PORT");
  up->add_option("--name", o->name, "The fleet's name, for status, apply and stop [corolla]");
  up->add_option("--cache", o->cache, "Folder for compiled models [~/.cache/corolla]")
      ->type_name("DIR");
  up->add_option("--io-threads", o->io_threads, "Threads of the front [one for two cores]")
      ->check(CLI::Range(1, 16));
  up->add_option("--arena-mb", o->arena_mb, "Memory for requests in flight [256]")
      ->check(CLI::Range(1, 1 << 20));
  up->add_option("--drain", o->drain_s, "Seconds to finish requests when stopped [10]")
      ->check(CLI::Range(0, 86400));
  up->add_flag("--log-json", o->log_json, "Log one JSON object a line");
  up->add_flag("-v,--verbose", o->verbose, "Log more");
  up->add_flag("--json", o->json, "Print the status as JSON once ready, instead of a sentence");
  examples(*up, {{"corolla up --models models", "one slice for each core, ports 8000 to 8002"},
                 {"corolla up -f corolla.yaml", "as the file says"},
                 {"corolla up --slices cores:2x4 --any 50050", "two slices of four cores"},
                 {"corolla up --http 0 --grpc off --json", "any free port, told as JSON"}});
  up->callback([&chosen, o] { chosen = [o] { return run(*o); }; });
}

const Subcommand kUp(10, add);

}  // namespace
}  // namespace corolla::app
