// What the API needs of the front: models from the table, control over workers through the control
// thread's managers.
#pragma once
#include <atomic>

#include "base/log.h"
#include "serve/front/api_state.h"
#include "serve/front/model_manager.h"
#include "serve/front/settings.h"
#include "serve/front/shared.h"
#include "serve/front/shm_broker.h"
#include "wire/event_loop.h"

namespace corolla::front {

class FrontBackend final : public ApiBackend {
 public:
  using Opened = std::function<void(Result<Fd>)>;
  // Asks the keeper to open a client's shared memory object. Control thread.
  using Opener = std::function<void(const std::string& key, Opened done)>;

  // All are kept by reference and outlive it. `control`: the loop on which manager and broker live.
  // `show`: all statistics; any thread.
  FrontBackend(Shared& shared, wire::EventLoop& control, ModelManager& manager, ShmBroker& broker,
               const std::atomic<bool>& ready, const LogSettings& log_settings,
               std::function<StatisticsSnapshot()> show, Opener opener)
      : shared_(shared),
        control_(control),
        manager_(manager),
        broker_(broker),
        ready_(ready),
        log_settings_(log_settings),
        show_(std::move(show)),
        opener_(std::move(opener)) {}

  bool ready() const override { return ready_; }
  Result<ApiModel> model(std::string_view name, std::string_view version) const override;
  StatisticsSnapshot statistics(std::string_view model, std::string_view version) const override;
  void index(std::function<void(std::vector<IndexEntry>)> done) override;
  void load(const std::string& model, const std::string& config_json,
            std::function<void(Status)> done) override;
  void unload(const std::string& model, std::function<void(Status)> done) override;
  void open_object(const std::string& key, std::function<void(Result<Fd>)> done) override;
  void map_region(ShmRef region, std::function<void(Status)> done) override;
  void log_settings_changed() override { log::set_level(log_settings_.log_level()); }

 private:
  Shared& shared_;
  wire::EventLoop& control_;
  ModelManager& manager_;
  ShmBroker& broker_;
  const std::atomic<bool>& ready_;
  const LogSettings& log_settings_;
  const std::function<StatisticsSnapshot()> show_;
  const Opener opener_;
};

}  // namespace corolla::front
