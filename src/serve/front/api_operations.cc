#include "serve/front/api_operations.h"

#include <utility>

#include "serve/front/model_config.h"
#include "wire/json_text.h"

namespace corolla::front {
namespace {

void put(inference::StatisticDuration* to, const DurationStat& from) {
  to->set_count(from.count);
  to->set_ns(from.ns);
}

inference::ModelStatistics to_proto(const ModelStatisticsSnapshot& from) {
  const StatisticsRow& row = from.total;
  inference::ModelStatistics stats;
  stats.set_name(from.model);
  stats.set_version(from.version);
  stats.set_last_inference(row.last_inference_ms);
  stats.set_inference_count(row.inference_count);
  stats.set_execution_count(row.execution_count);
  auto& infer = *stats.mutable_inference_stats();
  put(infer.mutable_success(), row.success);
  put(infer.mutable_fail(), row.fail);
  put(infer.mutable_queue(), row.queue);
  put(infer.mutable_compute_input(), row.compute_input);
  put(infer.mutable_compute_infer(), row.compute_infer);
  put(infer.mutable_compute_output(), row.compute_output);
  put(infer.mutable_cache_hit(), row.cache_hit);
  put(infer.mutable_cache_miss(), row.cache_miss);
  for (const BatchStat& batch : row.batch_stats) {
    auto& out = *stats.add_batch_stats();
    out.set_batch_size(batch.rows);
    put(out.mutable_compute_input(), batch.compute_input);
    put(out.mutable_compute_infer(), batch.compute_infer);
    put(out.mutable_compute_output(), batch.compute_output);
  }
  return stats;
}

Error wrong_type(const std::string& key, const char* should) {
  return {Code::kInvalidArgument, "log setting '" + key + "' should be " + should};
}

Status check_repository(const std::string& name) {
  if (name.empty()) return ok();
  return Error{Code::kUnsupported,
               "'repository_name' specification is not supported: there is one repository"};
}

}  // namespace

ApiOperations::ApiOperations(ApiInfo info, ApiBackend& backend, ShmRegistry& shm,
                             TraceSettings& trace, LogSettings& log)
    : info_(std::move(info)), backend_(backend), shm_(shm), trace_(trace), log_(log) {}

bool ApiOperations::model_ready(const std::string& name, const std::string& version) const {
  return backend_.model(name, version).ok();
}

inference::ServerMetadataResponse ApiOperations::server_metadata() const {
  inference::ServerMetadataResponse response;
  response.set_name(info_.server_name);
  response.set_version(info_.server_version);
  for (const char* extension : {"classification", "model_repository", "schedule_policy",
                                "model_configuration", "system_shared_memory", "binary_tensor_data",
                                "parameters", "statistics", "trace", "logging"})
    response.add_extensions(extension);
  return response;
}

Result<inference::ModelMetadataResponse> ApiOperations::model_metadata(
    const inference::ModelMetadataRequest& r) const {
  ASSIGN_OR_RETURN(ApiModel model, backend_.model(r.name(), r.version()));
  return front::model_metadata(*model.config, model.versions);
}

Result<inference::ModelConfigResponse> ApiOperations::model_config(
    const inference::ModelConfigRequest& r) const {
  ASSIGN_OR_RETURN(ApiModel model, backend_.model(r.name(), r.version()));
  inference::ModelConfigResponse response;
  *response.mutable_config() = *model.config;
  return response;
}

Result<inference::ModelStatisticsResponse> ApiOperations::statistics(
    const inference::ModelStatisticsRequest& r) const {
  std::string version = r.version();
  if (!r.name().empty()) {
    ASSIGN_OR_RETURN(ApiModel model, backend_.model(r.name(), version));
    // "01" and "1" are one version; rows carry the latter.
    if (!version.empty()) version = std::to_string(model.version);
  }
  inference::ModelStatisticsResponse response;
  for (const auto& snapshot : backend_.statistics(r.name(), version))
    *response.add_model_stats() = to_proto(snapshot);
  return response;
}

void ApiOperations::index(const inference::RepositoryIndexRequest& r,
                          Done<inference::RepositoryIndexResponse> done) {
  auto allowed = check_repository(r.repository_name());
  if (!allowed.ok()) return done(allowed.error());
  backend_.index([ready = r.ready(), done = std::move(done)](std::vector<IndexEntry> entries) {
    inference::RepositoryIndexResponse response;
    for (IndexEntry& entry : entries) {
      if (ready && entry.state != "READY") continue;
      auto& out = *response.add_models();
      out.set_name(std::move(entry.name));
      out.set_version(std::move(entry.version));
      out.set_state(std::move(entry.state));
      out.set_reason(wire::to_utf8(entry.reason));
    }
    done(std::move(response));
  });
}

void ApiOperations::load(const inference::RepositoryModelLoadRequest& r,
                         Done<inference::RepositoryModelLoadResponse> done) {
  auto allowed = check_repository(r.repository_name());
  if (!allowed.ok()) return done(allowed.error());
  std::string config;
  for (const auto& [key, parameter] : r.parameters()) {
    if (key == "config") {
      if (parameter.parameter_choice_case() != inference::ModelRepositoryParameter::kStringParam)
        return done(Error{Code::kInvalidArgument,
                          "load parameter 'config' should be a string that holds the model "
                          "configuration as JSON"});
      config = parameter.string_param();
    } else if (key.starts_with("file:")) {
      return done(
          Error{Code::kUnsupported, "load parameter '" + wire::to_utf8(key.substr(0, 200)) +
                                        "': model files in a load call are not offered; put "
                                        "them into the model repository"});
    } else {
      return done(Error{Code::kInvalidArgument, "unrecognized load parameter '" +
                                                    wire::to_utf8(key.substr(0, 200)) +
                                                    "'; it can be 'config'"});
    }
  }
  backend_.load(r.model_name(), config, [done = std::move(done)](const Status& status) {
    if (!status.ok()) return done(status.error());
    done(inference::RepositoryModelLoadResponse());
  });
}

void ApiOperations::unload(const inference::RepositoryModelUnloadRequest& r,
                           Done<inference::RepositoryModelUnloadResponse> done) {
  auto allowed = check_repository(r.repository_name());
  if (!allowed.ok()) return done(allowed.error());
  backend_.unload(r.model_name(), [done = std::move(done)](const Status& status) {
    if (!status.ok()) return done(status.error());
    done(inference::RepositoryModelUnloadResponse());
  });
}

Result<inference::SystemSharedMemoryStatusResponse> ApiOperations::shm_status(
    const inference::SystemSharedMemoryStatusRequest& r) const {
  ASSIGN_OR_RETURN(std::vector<ShmRef> regions, shm_.list(r.name()));
  inference::SystemSharedMemoryStatusResponse response;
  for (const ShmRef& region : regions) {
    auto& out = (*response.mutable_regions())[region->name];
    out.set_name(region->name);
    out.set_key(region->key);
    out.set_offset(region->offset);
    out.set_byte_size(region->bytes);
  }
  return response;
}

void ApiOperations::shm_register(const inference::SystemSharedMemoryRegisterRequest& r,
                                 Done<inference::SystemSharedMemoryRegisterResponse> done) {
  auto region = shm_.add(r.name(), r.key(), r.offset(), r.byte_size());
  if (region.ok() || region.error().code != Code::kPermission)
    return map_registered(std::move(region), std::move(done));
  backend_.open_object(r.key(), [this, r, done = std::move(done)](Result<Fd> opened) {
    if (!opened.ok()) return done(opened.error());
    map_registered(shm_.add(r.name(), r.key(), r.offset(), r.byte_size(), *std::move(opened)),
                   done);
  });
}

void ApiOperations::map_registered(Result<ShmRef> region,
                                   Done<inference::SystemSharedMemoryRegisterResponse> done) {
  if (!region.ok()) return done(region.error());
  backend_.map_region(*region,
                      [this, name = (*region)->name, done = std::move(done)](const Status& status) {
                        if (status.ok())
                          return done(inference::SystemSharedMemoryRegisterResponse());
                        shm_.remove(name);
                        done(status.error());
                      });
}

inference::SystemSharedMemoryUnregisterResponse ApiOperations::shm_unregister(
    const inference::SystemSharedMemoryUnregisterRequest& r) {
  r.name().empty() ? shm_.remove_all() : shm_.remove(r.name());
  return {};
}

Result<inference::CudaSharedMemoryStatusResponse> ApiOperations::cuda_status(
    const inference::CudaSharedMemoryStatusRequest& r) const {
  if (!r.name().empty())
    return Error{Code::kNotFound, "Unable to find cuda shared memory region: '" +
                                      wire::to_utf8(r.name().substr(0, 255)) + "'"};
  return inference::CudaSharedMemoryStatusResponse();
}

Error ApiOperations::cuda_register(const std::string& region) const {
  return {Code::kUnsupported, "cuda shared memory region '" + wire::to_utf8(region.substr(0, 255)) +
                                  "' cannot be registered: no CUDA worker is there to open it; use "
                                  "system shared memory"};
}

Result<inference::TraceSettingResponse> ApiOperations::trace_setting(
    const inference::TraceSettingRequest& r) {
  // Only for models that exist, or settings could pile up under made-up names.
  if (!r.model_name().empty())
    RETURN_IF_ERROR([&]() -> Status {
      auto model = backend_.model(r.model_name(), "");
      if (!model.ok()) return model.error();
      return ok();
    }());
  TraceUpdate update;
  for (const auto& [key, setting] : r.settings()) {
    if (setting.value_size() == 0)
      update[key] = std::nullopt;
    else
      update[key] = std::vector<std::string>(setting.value().begin(), setting.value().end());
  }
  if (!update.empty()) RETURN_IF_ERROR(trace_.update(r.model_name(), update));
  inference::TraceSettingResponse response;
  for (const auto& [key, values] : trace_.get(r.model_name())) {
    auto& out = (*response.mutable_settings())[key];
    for (const std::string& value : values) out.add_value(value);
  }
  return response;
}

Result<inference::LogSettingsResponse> ApiOperations::log_settings(
    const inference::LogSettingsRequest& r) {
  using Value = inference::LogSettingsRequest::SettingValue;
  LogUpdate update;
  for (const auto& [key, value] : r.settings()) {
    auto kind = value.parameter_choice_case();
    if (key == "log_file" || key == "log_format") {
      if (kind != Value::kStringParam) return wrong_type(key, "a string");
      (key == "log_file" ? update.log_file : update.log_format) = value.string_param();
    } else if (key == "log_info" || key == "log_warning" || key == "log_error") {
      if (kind != Value::kBoolParam) return wrong_type(key, "true or false");
      (key == "log_info"      ? update.log_info
       : key == "log_warning" ? update.log_warning
                              : update.log_error) = value.bool_param();
    } else if (key == "log_verbose_level") {
      if (kind != Value::kUint32Param) return wrong_type(key, "a whole number of at least 0");
      update.log_verbose_level = value.uint32_param();
    } else {
      return Error{Code::kInvalidArgument,
                   "Unknown log setting '" + wire::to_utf8(key.substr(0, 80)) + "'"};
    }
  }
  if (r.settings_size() > 0) {
    RETURN_IF_ERROR(log_.update(update));
    backend_.log_settings_changed();
  }
  LogValues values = log_.get();
  inference::LogSettingsResponse response;
  auto& out = *response.mutable_settings();
  out["log_file"].set_string_param(values.log_file);
  out["log_info"].set_bool_param(values.log_info);
  out["log_warning"].set_bool_param(values.log_warning);
  out["log_error"].set_bool_param(values.log_error);
  out["log_verbose_level"].set_uint32_param(values.log_verbose_level);
  out["log_format"].set_string_param(values.log_format);
  return response;
}

}  // namespace corolla::front
