// ModelInfer and ModelStreamInfer. A message is walked while it arrives: tensors go straight into
// an arena slot, the rest is parsed at its end. A stream may have many requests under way; each
// answer is sent when it is there, in whatever order the workers finish.
#pragma once
#include <memory>
#include <set>
#include <vector>

#include "serve/front/call.h"
#include "serve/front/io_thread.h"
#include "wire/grpc_infer_walker.h"

namespace corolla::front {

class GrpcInferCall final : public Call {
 public:
  GrpcInferCall(IoThread& io, wire::Exchange& exchange, bool stream);
  ~GrpcInferCall() override;

  wire::BodySink* message(std::optional<size_t> length) override;
  void message_end() override;
  void half_close() override;
  void cancelled() override;
  void completed(InferTask& task, const Arrival& arrival) override;
  void refused(InferTask& task, const Error& why) override;
  bool slot_freed() override;

 private:
  Result<std::span<std::byte>> place(size_t bytes);
  bool take_slot();
  void go_on();    // the message is complete: finish it, or wait for room
  Status start();  // the request is decoded
  void fail(InferTask& task, const Error& error);
  void end_if_done();

  IoThread& io_;
  wire::Exchange* exchange_;
  const bool stream_;
  wire::GrpcInferWalker walker_;
  InferTask* reading_ = nullptr;  // the message that arrives at present
  size_t slot_want_ = 0;          // tensor bytes that the slot of `reading_` is to hold
  uint64_t next_place_ = 0;
  bool complete_ = false;                            // reading_ has arrived whole
  std::vector<std::unique_ptr<std::byte[]>> spill_;  // values that outgrow the slot
  std::set<InferTask*> running_;
  bool half_closed_ = false;
};

}  // namespace corolla::front
