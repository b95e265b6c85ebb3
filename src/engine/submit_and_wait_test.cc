#include "engine/submit_and_wait.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace corolla::engine {
namespace {

class NoModel final : public Model {
 public:
  const std::vector<TensorSpec>& inputs() const override { return none_; }
  const std::vector<TensorSpec>& outputs() const override { return none_; }
  bool from_cache() const override { return true; }

 private:
  std::vector<TensorSpec> none_;
};

// Says what it is told to say, at once or later on a thread of its own.
class Teller final : public Engine {
 public:
  ~Teller() override {
    for (std::thread& thread : threads_) thread.join();
  }
  std::string name() const override { return "teller"; }
  Result<std::unique_ptr<Model>> load(const ModelSource&) override {
    return std::unique_ptr<Model>(new NoModel);
  }
  int depth() const override { return 1; }
  void submit(Model&, std::span<Request> requests, Done done) override {
    const auto tell = [this, requests, done = std::move(done)] {
      requests[0].outcome = outcome;
      done(status, {});
    };
    if (!later) return tell();
    threads_.emplace_back([tell] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      tell();
    });
  }

  bool later = false;
  Status status = ok(), outcome = ok();

 private:
  std::vector<std::thread> threads_;
};

TEST(SubmitAndWait, TellsTheEnginesErrorBeforeTheRequests) {
  Teller engine;
  NoModel model;
  Request request;
  for (const bool later : {false, true}) {
    engine.later = later;
    engine.status = engine.outcome = ok();
    EXPECT_TRUE(submit_and_wait(engine, model, request).ok());
    engine.outcome = Error{Code::kInvalidArgument, "no picture"};
    EXPECT_EQ(submit_and_wait(engine, model, request).error().what, "no picture");
    engine.status = Error{Code::kInternal, "broken"};
    EXPECT_EQ(submit_and_wait(engine, model, request).error().what, "broken");
  }
}

}  // namespace
}  // namespace corolla::engine
