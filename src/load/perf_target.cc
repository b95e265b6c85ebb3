#include "load/perf_target.h"

#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "load/metrics_text.h"
#include "load/process_cpu.h"

namespace corolla::load {
namespace {

uint64_t grown(uint64_t after, uint64_t before) { return after > before ? after - before : 0; }

void add(client::ModelStatistics& sum, const client::ModelStatistics& more) {
  const auto plus = [](client::CountedTime& a, const client::CountedTime& b) {
    a.count += b.count;
    a.ns += b.ns;
  };
  sum.inference_count += more.inference_count;
  sum.execution_count += more.execution_count;
  plus(sum.success, more.success);
  plus(sum.fail, more.fail);
  plus(sum.queue, more.queue);
  plus(sum.compute_input, more.compute_input);
  plus(sum.compute_infer, more.compute_infer);
  plus(sum.compute_output, more.compute_output);
}

}  // namespace

client::ModelStatistics growth(const client::ModelStatistics& after,
                               const client::ModelStatistics& before) {
  const auto minus = [](const client::CountedTime& a, const client::CountedTime& b) {
    return client::CountedTime{grown(a.count, b.count), grown(a.ns, b.ns)};
  };
  return {after.version,
          grown(after.inference_count, before.inference_count),
          grown(after.execution_count, before.execution_count),
          minus(after.success, before.success),
          minus(after.fail, before.fail),
          minus(after.queue, before.queue),
          minus(after.compute_input, before.compute_input),
          minus(after.compute_infer, before.compute_infer),
          minus(after.compute_output, before.compute_output)};
}

Result<std::unique_ptr<PerfTarget>> PerfTarget::prepare(const PerfOptions& options) {
  std::unique_ptr<PerfTarget> target(new PerfTarget(options));
  RETURN_IF_ERROR(target->connect());
  RETURN_IF_ERROR(target->ask());
  RETURN_IF_ERROR(target->make_calls());
  target->server_processes_ = options.server_processes;
  if (target->server_processes_.empty())
    if (const auto pid = listener_of(target->addresses_.front().port()))
      target->server_processes_.push_back(*pid);
  return target;
}

PerfTarget::~PerfTarget() {
  // Only our own regions: others may be measuring the same server.
  for (auto& session : sessions_)
    for (const std::string& region : registered_)
      (void)session->unregister_shared_memory(region).ok();
}

Status PerfTarget::connect() {
  const int port = options_.protocol == wire::Protocol::kHttp ? 8000 : 8001;
  std::vector<std::string> urls = options_.urls;
  if (urls.empty()) urls.push_back("127.0.0.1:" + std::to_string(port));
  if (urls.size() > 255)
    return Error{Code::kInvalidArgument, std::to_string(urls.size()) + " URLs are more than 255"};
  for (const std::string& url : urls) {
    ASSIGN_OR_RETURN(auto address, wire::resolve_address(url, port));
    ASSIGN_OR_RETURN(auto session,
                     client::ServerSession::open(options_.protocol, address, options_.headers));
    addresses_.push_back(std::move(address));
    sessions_.push_back(std::move(session));
  }
  if (!options_.metrics_url.empty()) {
    std::string url = options_.metrics_url;
    if (url.starts_with("http://")) url.erase(0, 7);
    const size_t slash = url.find('/');
    metrics_path_ = slash == url.npos ? "/metrics" : url.substr(slash);
    ASSIGN_OR_RETURN(const auto address, wire::resolve_address(url.substr(0, slash), 8002));
    ASSIGN_OR_RETURN(metrics_, client::ServerSession::open(wire::Protocol::kHttp, address));
    metrics_->set_timeout(std::chrono::seconds(2));
    const auto page = metrics_->get(metrics_path_);
    if (!page.ok())
      return Error{page.error().code,
                   "cannot read metrics from " + options_.metrics_url + ": " + page.error().what};
  }
  return ok();
}

Status PerfTarget::ask() {
  for (auto& session : sessions_) {
    auto metadata = session->model_metadata(options_.model, options_.version);
    if (!metadata.ok())
      return Error{metadata.error().code, "model '" + options_.model + "' at " +
                                              session->address().text + ": " +
                                              metadata.error().what};
    auto config = session->model_config(options_.model, options_.version);
    if (!config.ok())
      return Error{config.error().code, "configuration of '" + options_.model + "' at " +
                                            session->address().text + ": " + config.error().what};
    if (&session != &sessions_.front()) continue;
    metadata_ = *std::move(metadata);
    config_ = *std::move(config);
    if (config_.decoupled)
      return Error{Code::kUnsupported,
                   "model '" + options_.model +
                       "' is decoupled (many answers a request), which is not measured"};
    if (config_.sequence)
      return Error{Code::kUnsupported,
                   "model '" + options_.model + "' keeps sequences, which are not measured"};
    const auto server = session->server_metadata();
    if (server.ok()) {
      server_name_ = server->name + " " + server->version;
      has_statistics_ = std::find(server->extensions.begin(), server->extensions.end(),
                                  "statistics") != server->extensions.end();
    }
  }
  return ok();
}

Status PerfTarget::make_calls() {
  ASSIGN_OR_RETURN(inputs_, make_inputs(metadata_, config_, options_.input));
  if (options_.shared_memory) RETURN_IF_ERROR(place_in_shared_memory());
  for (const auto& address : addresses_) {
    client::InferOptions infer;
    infer.headers = options_.headers;
    infer.compression = options_.compression;
    infer.host = address.text;
    std::vector<std::shared_ptr<const wire::ClientCall>> calls;
    for (const auto& step : inputs_.steps) {
      wire::InferRequest request;
      request.model = options_.model;
      request.version = options_.version;
      request.inputs = step;
      for (const client::TensorMetadata& output : metadata_.outputs) {
        wire::WantedOutput wanted;
        wanted.name = output.name;
        wanted.binary = true;
        wanted.shm = output_place_;
        if (output_place_) output_place_->offset += output_place_->bytes;
        request.outputs.push_back(std::move(wanted));
      }
      if (output_place_) output_place_->offset = 0;
      calls.push_back(client::make_infer_call(options_.protocol, request, infer, inputs_.storage));
    }
    calls_.push_back(std::move(calls));
  }
  return ok();
}

Status PerfTarget::place_in_shared_memory() {
  // Names of our own, so that two measurements on one machine do not meet.
  const std::string stem = "corolla_perf_" + std::to_string(getpid());
  size_t total = 0;
  for (const auto& step : inputs_.steps)
    for (const auto& input : step) total += (input.bytes.size() + 63) / 64 * 64;
  ASSIGN_OR_RETURN(auto in, SharedRegion::create("/" + stem + "_in", std::max<size_t>(total, 64)));
  size_t at = 0;
  for (auto& step : inputs_.steps)
    for (auto& input : step) {
      if (!input.bytes.empty())
        memcpy(in.bytes().data() + at, input.bytes.data(), input.bytes.size());
      input.shm = wire::ShmPlace{stem + "_in", at, input.bytes.size()};
      at += (input.bytes.size() + 63) / 64 * 64;
    }
  const size_t outputs = std::max<size_t>(1, metadata_.outputs.size());
  ASSIGN_OR_RETURN(auto out,
                   SharedRegion::create("/" + stem + "_out", options_.output_bytes * outputs));
  output_place_ = wire::ShmPlace{stem + "_out", 0, options_.output_bytes};
  regions_.push_back(std::move(in));
  regions_.push_back(std::move(out));
  for (const char* suffix : {"_in", "_out"}) {
    const std::string name = stem + suffix;
    const SharedRegion& region = regions_[registered_.size()];
    registered_.push_back(name);
    for (auto& session : sessions_) {
      const Status status =
          session->register_shared_memory(name, region.key(), region.bytes().size());
      if (!status.ok())
        return Error{status.error().code, session->address().text +
                                              " does not take shared memory '" + region.key() +
                                              "': " + status.error().what};
    }
  }
  return ok();
}

GeneratorOptions PerfTarget::generator_options() const {
  GeneratorOptions options;
  options.protocol = options_.protocol;
  options.addresses = addresses_;
  options.calls = calls_;
  options.max_connections = options_.max_connections;
  options.timeout = options_.timeout;
  return options;
}

PerfTarget::Reading PerfTarget::read() {
  Reading reading;
  if (has_statistics_) {
    client::ModelStatistics sum;
    bool all = true;
    for (auto& session : sessions_) {
      const auto statistics = session->statistics(options_.model, options_.version);
      if (!statistics.ok() || statistics->empty()) {
        all = false;
        break;
      }
      // Without a version the highest one serves.
      const client::ModelStatistics* newest = &statistics->front();
      for (const client::ModelStatistics& s : *statistics)
        if (atoll(s.version.c_str()) > atoll(newest->version.c_str())) newest = &s;
      add(sum, *newest);
    }
    if (all) reading.statistics = sum;
  }
  if (metrics_) {
    if (const auto page = metrics_->get(metrics_path_); page.ok()) {
      const auto samples = read_metrics(*page);
      reading.slices = slice_inferences(samples);
      reading.gauges = utilisation_gauges(samples);
    }
  }
  reading.client_cpu = own_cpu();
  reading.server_cpu = cpu_of(server_processes_);
  reading.at = now();
  return reading;
}

}  // namespace corolla::load
