#include "serve/front/front_backend.h"

namespace corolla::front {

Result<ApiModel> FrontBackend::model(std::string_view name, std::string_view version) const {
  ASSIGN_OR_RETURN(const auto found, shared_.models.find(name, version));
  ApiModel model;
  model.config = std::shared_ptr<const inference::ModelConfig>(found, &found->config);
  model.version = found->version;
  const auto models = shared_.models.snapshot();
  if (const auto versions = models->find(name); versions != models->end())
    for (const auto& [number, served] : versions->second) model.versions.push_back(number);
  return model;
}

// Every model that is served has its row, also one that has answered nothing yet: clients subtract
// two readings.
StatisticsSnapshot FrontBackend::statistics(std::string_view model,
                                            std::string_view version) const {
  auto all = show_();
  std::erase_if(all, [&](const ModelStatisticsSnapshot& each) {
    return (!model.empty() && each.model != model) || (!version.empty() && each.version != version);
  });
  return all;
}

void FrontBackend::index(std::function<void(std::vector<IndexEntry>)> done) {
  control_.post([this, done = std::move(done)] {
    std::vector<IndexEntry> entries;
    for (const auto& entry : manager_.index())
      entries.push_back({entry.name, entry.version ? std::to_string(entry.version) : "",
                         entry.state, entry.reason});
    done(std::move(entries));
  });
}

void FrontBackend::load(const std::string& model, const std::string& config_json,
                        std::function<void(Status)> done) {
  control_.post([this, model, config_json, done = std::move(done)] {
    manager_.load(model, config_json, done);
  });
}

void FrontBackend::unload(const std::string& model, std::function<void(Status)> done) {
  control_.post([this, model, done = std::move(done)] { manager_.unload(model, done); });
}

void FrontBackend::open_object(const std::string& key, Opened done) {
  control_.post([this, key, done = std::move(done)] { opener_(key, done); });
}

void FrontBackend::map_region(ShmRef region, std::function<void(Status)> done) {
  control_.post(
      [this, region = std::move(region), done = std::move(done)] { broker_.map(region, done); });
}

}  // namespace corolla::front
