// What the API needs of the front: models from the table, control over workers through the control
// thread's managers.
#pragma once
#include <atomic>

#include "serve/front/api_state.h"
#include "serve/front/model_manager.h"
#include "serve/front/shared.h"
#include "serve/front/shm_broker.h"
#include "wire/event_loop.h"

namespace corolla::front {

class FrontBackend final : public ApiBackend {
 public:
  // All are kept by reference and outlive it. `control`: the loop on which manager and broker live.
  FrontBackend(Shared& shared, wire::EventLoop& control, ModelManager& manager, ShmBroker& broker,
               const std::atomic<bool>& ready)
      : shared_(shared), control_(control), manager_(manager), broker_(broker), ready_(ready) {}

  bool ready() const override { return ready_; }
  Result<ApiModel> model(std::string_view name, std::string_view version) const override;
  StatisticsSnapshot statistics(std::string_view model, std::string_view version) const override;
  void index(std::function<void(std::vector<IndexEntry>)> done) override;
  void load(const std::string& model, const std::string& config_json,
            std::function<void(Status)> done) override;
  void unload(const std::string& model, std::function<void(Status)> done) override;
  void map_region(ShmRef region, std::function<void(Status)> done) override;
  void log_settings_changed() override {}

 private:
  Shared& shared_;
  wire::EventLoop& control_;
  ModelManager& manager_;
  ShmBroker& broker_;
  const std::atomic<bool>& ready_;
};

}  // namespace corolla::front
