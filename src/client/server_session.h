// A KserveClient for programs without an event loop: the loop runs on a thread of the session's
// own, and every call waits for its answer. Thread-safe: calls may come from any thread but the
// session's own.
#pragma once
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/kserve_client.h"

namespace corolla::client {

class ServerSession {
 public:
  static Result<std::unique_ptr<ServerSession>> open(wire::Protocol protocol,
                                                     const wire::ClientAddress& address,
                                                     wire::ClientHeaders headers = {});
  ~ServerSession();

  const wire::ClientAddress& address() const { return client_->address(); }
  void set_timeout(Duration timeout);

  Result<ServerMetadata> server_metadata();
  Result<ModelMetadata> model_metadata(const std::string& model, const std::string& version);
  Result<ModelConfig> model_config(const std::string& model, const std::string& version);
  Result<std::vector<ModelStatistics>> statistics(const std::string& model,
                                                  const std::string& version);
  Result<InferAnswer> infer(const wire::InferRequest& request);
  Status register_shared_memory(const std::string& region, const std::string& key, uint64_t bytes);
  Status unregister_shared_memory(const std::string& region);
  Result<std::string> get(const std::string& path);

 private:
  ServerSession() = default;

  // Runs `ask` on the loop and waits for what it hands to its callback.
  template <class T, class Ask>
  Result<T> wait(Ask ask) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> future = promise->get_future();
    loop_->post([this, promise, ask = std::move(ask)] {
      ask(*client_, [promise](Result<T> result) { promise->set_value(std::move(result)); });
    });
    return future.get();
  }

  std::unique_ptr<wire::EventLoop> loop_;
  std::unique_ptr<KserveClient> client_;
  std::thread thread_;
};

}  // namespace corolla::client
