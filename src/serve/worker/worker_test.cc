#include "serve/worker/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "engine/null/null_engine.h"
#include "serve/worker/worker_harness.h"

namespace corolla::worker {
namespace {

using testing::HasSubstr;

link::WorkerWelcome welcome(const std::string& options = "") {
  link::WorkerWelcome made;
  made.set_worker(5);
  made.set_reply_bytes(4 << 20);
  made.set_engine_options(options);
  return made;
}

// Four numbers in, 102 out, as the measuring twin "tiny" has it.
link::ModelSpec tiny(uint32_t id, uint32_t max_batch = 8) {
  link::ModelSpec spec;
  spec.set_id(id);
  spec.set_name("tiny");
  spec.set_version(1);
  spec.set_max_batch(max_batch);
  auto* in = spec.add_inputs();
  in->set_name("input");
  in->set_dtype(static_cast<uint32_t>(DType::kFp32));
  in->add_shape(4);
  auto* out = spec.add_outputs();
  out->set_name("output");
  out->set_dtype(static_cast<uint32_t>(DType::kFp32));
  out->add_shape(102);
  return spec;
}

class Worker : public testing::Test {
 protected:
  explicit Worker(const std::string& options = "")
      : process(engine::make_null_engine, welcome(options)) {
    auto hello = process.hear();
    CHECK(hello.ok() && hello->message.worker_hello().engine() == "null");
    front = std::make_unique<FrontPlayer>(process);
  }
  link::SubmitEntry request(uint64_t number, uint32_t rows = 1) {
    static const float numbers[64] = {};
    return front->make(number, 7, DType::kFp32, {rows, 4},
                       std::as_bytes(std::span(numbers, rows * 4)), rows);
  }
  // The worker is as well as ever.
  void expect_alive() {
    auto entry = request(99);
    EXPECT_EQ(front->run(entry).completion.outcome, link::Outcome::kOk);
    front->release(entry);
  }

  WorkerProcess process;
  std::unique_ptr<FrontPlayer> front;
};

TEST_F(Worker, LoadsAndAnswersBitForBit) {
  const auto loaded = front->load(tiny(7));
  ASSERT_EQ(loaded.error(), "");
  ASSERT_EQ(loaded.outputs_size(), 1);
  EXPECT_EQ(loaded.outputs(0).shape(0), 102);

  const Answer answer = front->run(request(41, 3));
  ASSERT_EQ(answer.completion.outcome, link::Outcome::kOk);
  EXPECT_EQ(answer.completion.request, 41u);
  EXPECT_EQ(answer.completion.batch_rows, 3u);
  EXPECT_EQ(answer.completion.last, 1u);
  EXPECT_EQ(answer.table.rows, 3u);
  ASSERT_EQ(answer.table.count, 1u);
  const link::TensorRecord& record = answer.table.tensors[0];
  EXPECT_EQ(record.bytes, 3 * 102 * 4u);
  EXPECT_EQ(record.offset % 64, 0u);
  EXPECT_EQ(record.shape[0], 3);
  EXPECT_EQ(record.shape[1], 102);
  float values[3 * 102];
  std::memcpy(values, answer.output, sizeof values);
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(values[row * 102], 1.0f);
    EXPECT_EQ(values[row * 102 + 1], 0x1.f5e95ep-1f);  // as numpy computes them
    EXPECT_EQ(values[row * 102 + 50], 0x1.05182cp-2f);
    EXPECT_EQ(values[row * 102 + 101], 0.0f);
  }
}

TEST_F(Worker, ABatchIsAnsweredWholeAndInOrder) {
  front->load(tiny(7));
  front->push({request(1, 2), request(2, 5), request(3, 1)});
  for (uint64_t i = 1; i <= 3; ++i) {
    const auto completion = front->next();
    EXPECT_EQ(completion.request, i);
    EXPECT_EQ(completion.outcome, link::Outcome::kOk);
    EXPECT_EQ(completion.batch_rows, 8u);
    EXPECT_EQ(completion.last, i == 3 ? 1u : 0u);
  }
}

TEST_F(Worker, OneBadRequestDoesNotSpoilItsBatch) {
  front->load(tiny(7));
  auto bad = request(2);
  front->table(bad).tensors[0].shape[1] = 5;
  front->push({request(1), bad, request(3)});
  EXPECT_EQ(front->next().outcome, link::Outcome::kOk);
  const Answer answer = front->read(bad, front->next());
  EXPECT_EQ(answer.completion.outcome, link::Outcome::kBadInput);
  EXPECT_EQ(answer.sentence,
            "input 'input' has shape [1,5]; the model takes [4] after a batch of 1 rows");
  EXPECT_EQ(front->next().outcome, link::Outcome::kOk);
}

TEST_F(Worker, NumbersThatCannotBeAreAnsweredAndSurvived) {
  front->load(tiny(7));
  using Spoil = std::function<void(link::SubmitEntry&, link::TensorTable&)>;
  const Spoil spoils[] = {
      [](auto& e, auto&) { e.slot = 1 << 30; },
      [](auto& e, auto&) { e.slot = UINT64_MAX - 63; },
      [](auto& e, auto&) { e.slot += 4; },
      [](auto& e, auto&) { e.slot = (16 << 20) - 64; },
      [](auto&, auto& t) { t.count = UINT32_MAX; },
      [](auto&, auto& t) { t.count = 0; },
      [](auto&, auto& t) { t.count = 2; },
      [](auto&, auto& t) { t.rows = 0; },
      [](auto&, auto& t) { t.rows = 9; },
      [](auto&, auto& t) { t.tensors[0].index = 1; },
      [](auto&, auto& t) { t.tensors[0].dims = 255; },
      [](auto&, auto& t) { t.tensors[0].dtype = static_cast<DType>(200); },
      [](auto&, auto& t) { t.tensors[0].dtype = DType::kInt32; },
      [](auto&, auto& t) { t.tensors[0].offset = UINT64_MAX; },
      [](auto&, auto& t) { t.tensors[0].bytes = UINT64_MAX; },
      [](auto&, auto& t) { t.tensors[0].bytes = 15; },
      [](auto&, auto& t) { t.tensors[0].shape[1] = int64_t{1} << 62; },
      [](auto&, auto& t) { t.tensors[0].shape[1] = -4; },
      [](auto&, auto& t) { t.tensors[0].region = 77; },
  };
  for (size_t i = 0; i < std::size(spoils); ++i) {
    auto entry = request(i);
    const auto good = entry;
    spoils[i](entry, front->table(entry));
    const Answer answer = front->run(entry);
    EXPECT_TRUE(answer.completion.outcome == link::Outcome::kBadInput ||
                answer.completion.outcome == link::Outcome::kEngineFailed)
        << i;
    EXPECT_NE(answer.sentence, "") << i;
    front->release(good);
  }
  for (uint64_t reply : {uint64_t{0}, UINT64_MAX, uint64_t{64 << 20}}) {
    auto entry = request(1);
    entry.reply = reply;
    front->push({entry});
    EXPECT_EQ(front->next().outcome, link::Outcome::kEngineFailed);
  }
  expect_alive();
}

TEST_F(Worker, SaysHowLargeAReplyMustBe) {
  front->load(tiny(7));
  auto small = front->make(1, 7, DType::kFp32, {8, 4}, std::vector<std::byte>(128), 8, 4096);
  const Answer answer = front->run(small);
  ASSERT_EQ(answer.completion.outcome, link::Outcome::kReplyTooSmall);
  EXPECT_EQ(answer.completion.bytes, 2048 + 8 * 102 * 4u);
  auto fitting = front->make(2, 7, DType::kFp32, {8, 4}, std::vector<std::byte>(128), 8,
                             answer.completion.bytes);
  EXPECT_EQ(front->run(fitting).completion.outcome, link::Outcome::kOk);
}

TEST_F(Worker, OutputsNotWantedAreNotWritten) {
  front->load(tiny(7));
  auto entry = request(1);
  entry.outputs_wanted = 0;
  const Answer answer = front->run(entry);
  EXPECT_EQ(answer.completion.outcome, link::Outcome::kOk);
  EXPECT_EQ(answer.table.count, 0u);
}

TEST_F(Worker, UnknownAndUnloadedModelsAreNamedSo) {
  EXPECT_EQ(front->run(request(1)).completion.outcome, link::Outcome::kUnknownModel);
  front->load(tiny(7));
  expect_alive();
  link::Message unload;
  unload.mutable_unload_model()->set_id(7);
  ASSERT_TRUE(front->channel.send(unload).ok());
  ASSERT_TRUE(front->channel.receive_within(kPatience)->message.has_model_unloaded());
  EXPECT_EQ(front->run(request(2)).completion.outcome, link::Outcome::kUnknownModel);
}

TEST_F(Worker, AWrongModelIsInvalidAndHarmsNoOther) {
  front->load(tiny(7));
  auto none = tiny(8);
  none.clear_outputs();
  const auto answer = front->load(none);
  EXPECT_TRUE(answer.invalid());
  EXPECT_THAT(answer.error(), HasSubstr("must be declared"));
  expect_alive();
}

TEST_F(Worker, ANewFrontFindsItsModelsWarm) {
  auto slow = tiny(7);
  front->load(slow);
  expect_alive();
  front.reset();  // the front dies
  front = std::make_unique<FrontPlayer>(process);
  EXPECT_EQ(front->run(request(1)).completion.outcome, link::Outcome::kUnknownModel)
      << "numbers of the old front mean nothing";
  EXPECT_EQ(front->load(slow).error(), "");
  expect_alive();
  // And one that pushes the old one out, without its death having been seen.
  std::unique_ptr<FrontPlayer> old = std::move(front);
  front = std::make_unique<FrontPlayer>(process);
  front->load(slow);
  expect_alive();
}

TEST_F(Worker, AFrontOutOfItsMindIsLeftAndTheNextOneServed) {
  front->load(tiny(7));
  link::submit_region(front->submit).tail = 1 << 20;
  link::ring_doorbell(front->bell.get());
  auto gone = front->channel.receive_within(kPatience);
  EXPECT_EQ(gone.error().code, Code::kUnavailable);
  front = std::make_unique<FrontPlayer>(process);
  front->load(tiny(7));
  expect_alive();
}

TEST_F(Worker, ReadsClientMemoryAndSurvivesItsCutting) {
  front->load(tiny(7));
  constexpr size_t kBytes = 1 << 20;
  Fd memory(::memfd_create("client", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), kBytes), 0);
  EXPECT_THAT(front->map_region(3, memory.get(), kBytes + 1), HasSubstr("were registered"));
  ASSERT_EQ(front->map_region(3, memory.get(), kBytes), "");

  auto entry = request(1);
  front->table(entry).tensors[0].region = 3;
  front->table(entry).tensors[0].offset = kBytes - 16;
  EXPECT_EQ(front->run(entry).completion.outcome, link::Outcome::kOk);
  front->table(entry).tensors[0].offset = kBytes - 15;
  EXPECT_NE(front->run(entry).completion.outcome, link::Outcome::kOk);

  link::Message unmap;
  unmap.mutable_unmap_region()->set_region(3);
  ASSERT_TRUE(front->channel.send(unmap).ok());
  ASSERT_EQ(front->map_region(4, memory.get(), kBytes), "");  // an answer: the unmapping is done
  front->table(entry).tensors[0].offset = 0;
  const Answer answer = front->run(entry);
  EXPECT_EQ(answer.completion.outcome, link::Outcome::kBadInput);
  EXPECT_THAT(answer.sentence, HasSubstr("not registered"));

  // The null engine reads no inputs, but BYTES inputs are copied out first: a read beyond the cut.
  auto text = tiny(8, 0);
  text.mutable_inputs(0)->set_dtype(static_cast<uint32_t>(DType::kBytes));
  text.mutable_inputs(0)->set_shape(0, 1);
  text.set_name("text");
  ASSERT_EQ(front->load(text).error(), "");
  ASSERT_EQ(::ftruncate(memory.get(), 4096), 0);
  auto cut = front->make(2, 8, DType::kBytes, {1}, {}, 1);
  front->table(cut).tensors[0].region = 4;
  front->table(cut).tensors[0].offset = 8192;
  front->table(cut).tensors[0].bytes = 64;
  const Answer broken = front->run(cut);
  EXPECT_EQ(broken.completion.outcome, link::Outcome::kBadInput);
  EXPECT_THAT(broken.sentence, HasSubstr("it was cut short while"));
  expect_alive();
}

TEST_F(Worker, LeavesWhenToldAndNotWhenSignalled) {
  ::kill(process.pid, SIGTERM);
  ::kill(process.pid, SIGINT);
  front->load(tiny(7));
  expect_alive();
  link::Message quit;
  quit.mutable_quit();
  ASSERT_TRUE(process.keeper.send(quit).ok());
  const int status = process.wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kExitQuit);
}

TEST_F(Worker, LeavesWithItsKeeper) {
  process.keeper = link::Channel();
  const int status = process.wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kExitQuit);
}

TEST_F(Worker, TimesAreTold) {
  auto spec = tiny(7);
  (*spec.mutable_parameters())["delay_us"] = "20000";
  front->load(spec);
  const int64_t before = to_ns(now());
  const auto completion = front->run(request(1)).completion;
  const int64_t after = to_ns(now());
  EXPECT_GE(completion.picked_up_ns, before);
  EXPECT_LE(completion.picked_up_ns, after);
  EXPECT_GE(completion.infer_us10, 200000u);
  EXPECT_LE(completion.infer_us10, static_cast<uint32_t>((after - before) / 100));
}

// A null engine that never comes back from loading the model "stuck".
class StuckEngine final : public engine::Engine {
 public:
  std::string name() const override { return "stuck"; }
  int depth() const override { return 1; }
  Result<std::unique_ptr<engine::Model>> load(const engine::ModelSource& source) override {
    while (source.name == "stuck") ::pause();
    return null_->load(source);
  }
  void submit(engine::Model& model, std::span<engine::Request> requests,
              engine::Done done) override {
    null_->submit(model, requests, std::move(done));
  }

 private:
  std::unique_ptr<engine::Engine> null_ = *engine::make_null_engine({});
};

TEST(WorkerLoading, ALongLoadKeepsNobodyWaiting) {
  WorkerProcess process(
      [](const engine::EngineSetup&) {
        return Result<std::unique_ptr<engine::Engine>>(std::make_unique<StuckEngine>());
      },
      welcome());
  ASSERT_TRUE(process.hear().ok());
  auto front = std::make_unique<FrontPlayer>(process);
  ASSERT_EQ(front->load(tiny(7)).error(), "");
  auto stuck = tiny(8);
  stuck.set_name("stuck");
  link::Message message;
  *message.mutable_load_model()->mutable_model() = stuck;
  ASSERT_TRUE(front->channel.send(message).ok());

  const float numbers[4] = {};
  const auto request = [&] {
    return front->make(1, 7, DType::kFp32, {1, 4}, std::as_bytes(std::span(numbers)));
  };
  EXPECT_EQ(front->run(request()).completion.outcome, link::Outcome::kOk);
  // A new front gets what is loaded at once.
  front = std::make_unique<FrontPlayer>(process);
  ASSERT_EQ(front->load(tiny(7)).error(), "");
  EXPECT_EQ(front->run(request()).completion.outcome, link::Outcome::kOk);
  // And Quit is obeyed.
  link::Message quit;
  quit.mutable_quit();
  ASSERT_TRUE(process.keeper.send(quit).ok());
  EXPECT_EQ(WEXITSTATUS(process.wait()), kExitQuit);
}

TEST(WorkerStart, WrongOptionsAreUsageErrors) {
  for (const char* options : {"delay_us=fast", "no_such=1", "spin_us=-1", "delay_us"}) {
    WorkerProcess process(engine::make_null_engine, welcome(options));
    const int status = process.wait();
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), kExitUsage) << options;
  }
}

}  // namespace
}  // namespace corolla::worker
