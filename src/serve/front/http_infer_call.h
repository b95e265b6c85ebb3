// POST v2/models/{m}[/versions/{v}]/infer: JSON, JSON with binary tensors behind it, or raw binary.
// The JSON part goes to a small buffer, the binary part straight into an arena slot.
#pragma once
#include <memory>
#include <string>

#include "serve/front/call.h"
#include "serve/front/io_thread.h"

namespace corolla::front {

class HttpInferCall final : public Call, private wire::BodySink {
 public:
  HttpInferCall(IoThread& io, wire::Exchange& exchange, std::shared_ptr<const ServedModel> model);
  ~HttpInferCall() override;

  wire::BodySink* message(std::optional<size_t> length) override;
  void message_end() override;
  void cancelled() override;
  void completed(InferTask& task, const Arrival& arrival) override;
  void refused(InferTask& task, const Error& why) override;
  bool slot_freed() override;

 private:
  std::span<std::byte> room() override;
  Status filled(size_t n) override;
  bool take_slot();
  Status start();
  Result<wire::InferRequest> decode();
  void fail(const Error& error);

  IoThread& io_;
  wire::Exchange* exchange_;
  InferTask* task_;
  std::optional<size_t> json_header_;  // Inference-Header-Content-Length
  std::string text_;                   // the JSON part; of unknown length: the whole body
  size_t text_want_ = 0, text_have_ = 0;
  size_t binary_want_ = 0, binary_have_ = 0;
  bool open_ended_ = false;
  std::string raw_prefix_;  // a raw BYTES request: the length that goes before the body
};

}  // namespace corolla::front
