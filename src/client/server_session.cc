#include "client/server_session.h"

namespace corolla::client {

Result<std::unique_ptr<ServerSession>> ServerSession::open(wire::Protocol protocol,
                                                           const wire::ClientAddress& address,
                                                           wire::ClientHeaders headers) {
  std::unique_ptr<ServerSession> session(new ServerSession);
  ASSIGN_OR_RETURN(session->loop_, wire::EventLoop::create());
  session->client_ =
      std::make_unique<KserveClient>(*session->loop_, protocol, address, std::move(headers));
  session->thread_ = std::thread([loop = session->loop_.get()] { loop->run(); });
  return session;
}

ServerSession::~ServerSession() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
  client_.reset();
}

void ServerSession::set_timeout(Duration timeout) {
  loop_->post([this, timeout] { client_->set_timeout(timeout); });
}

Result<ServerMetadata> ServerSession::server_metadata() {
  return wait<ServerMetadata>([](KserveClient& c, auto done) { c.server_metadata(done); });
}

Result<ModelMetadata> ServerSession::model_metadata(const std::string& model,
                                                    const std::string& version) {
  return wait<ModelMetadata>(
      [=](KserveClient& c, auto done) { c.model_metadata(model, version, done); });
}

Result<ModelConfig> ServerSession::model_config(const std::string& model,
                                                const std::string& version) {
  return wait<ModelConfig>(
      [=](KserveClient& c, auto done) { c.model_config(model, version, done); });
}

Result<std::vector<ModelStatistics>> ServerSession::statistics(const std::string& model,
                                                               const std::string& version) {
  return wait<std::vector<ModelStatistics>>(
      [=](KserveClient& c, auto done) { c.statistics(model, version, done); });
}

Result<InferAnswer> ServerSession::infer(const wire::InferRequest& request) {
  return wait<InferAnswer>([&request](KserveClient& c, auto done) { c.infer(request, done); });
}

Status ServerSession::register_shared_memory(const std::string& region, const std::string& key,
                                             uint64_t bytes) {
  return wait<Ok>(
      [=](KserveClient& c, auto done) { c.register_shared_memory(region, key, bytes, done); });
}

Status ServerSession::unregister_shared_memory(const std::string& region) {
  return wait<Ok>([=](KserveClient& c, auto done) { c.unregister_shared_memory(region, done); });
}

Result<std::string> ServerSession::get(const std::string& path) {
  return wait<std::string>([=](KserveClient& c, auto done) { c.get(path, done); });
}

}  // namespace corolla::client
