#include "serve/front/grpc_infer_call.h"

#include <algorithm>

#include "serve/front/infer_reply.h"
#include "serve/front/infer_table.h"
#include "serve/front/record.h"
#include "wire/grpc_infer_encode.h"

namespace corolla::front {
GrpcInferCall::GrpcInferCall(IoThread& io, wire::Exchange& exchange, bool stream)
    : io_(io),
      exchange_(&exchange),
      stream_(stream),
      walker_({}, [this](size_t, size_t bytes) { return place(bytes); }) {}

GrpcInferCall::~GrpcInferCall() = default;

wire::BodySink* GrpcInferCall::message(std::optional<size_t> length) {
  reading_ = &io_.slab().create();
  reading_->exchange = exchange_;
  reading_->streamed = stream_;
  reading_->arrived = stream_ ? now() : exchange_->arrived();
  // Unknown (compressed): the first tensor says how much is needed, and what does not fit spills.
  slot_want_ = length.value_or(0);
  next_place_ = link::kTableBytes;
  complete_ = false;
  walker_.begin(length, io_.shared().limits.max_body_bytes);
  return &walker_;
}

bool GrpcInferCall::take_slot() {
  if (!reading_->slot) reading_->slot = io_.shared().slots.allocate(slot_bytes_for(slot_want_));
  return reading_->slot.has_value();
}

Result<std::span<std::byte>> GrpcInferCall::place(size_t bytes) {
  if (!reading_->slot) slot_want_ = std::max(slot_want_, bytes);
  auto& slots = io_.shared().slots;
  if (slot_bytes_for(slot_want_) > slots.arena().largest_block())
    return Error{Code::kTooLarge, "the message has " + std::to_string(slot_want_) +
                                      " bytes; the request arena's largest slot holds " +
                                      std::to_string(slots.arena().largest_block())};
  if (!take_slot()) {
    io_.wait_for_slot(*this);
    return std::span<std::byte>();
  }
  const uint64_t at =
      (next_place_ + link::kTensorAlign - 1) / link::kTensorAlign * link::kTensorAlign;
  if (at + bytes > slots.block_bytes(*reading_->slot)) {
    spill_.push_back(std::make_unique<std::byte[]>(bytes));
    return std::span(spill_.back().get(), bytes);
  }
  next_place_ = at + bytes;
  return std::span(slots.at(*reading_->slot) + at, bytes);
}

bool GrpcInferCall::slot_freed() {
  if (!reading_) return true;
  if (!take_slot()) return false;
  if (complete_)
    go_on();
  else
    exchange_->resume();
  return true;
}

void GrpcInferCall::message_end() {
  if (!reading_) return;
  complete_ = true;
  go_on();
}

void GrpcInferCall::go_on() {
  auto request = walker_.finish();
  InferTask& task = *reading_;
  if (request && !*request) return;  // place() has put us among the waiting
  if (!request) {
    reading_ = nullptr;
    return fail(task, request.error());
  }
  task.request = std::move(**request);
  auto started = start();
  spill_.clear();
  reading_ = nullptr;
  if (!started) return fail(task, started.error());
  running_.insert(&task);
}

Status GrpcInferCall::start() {
  InferTask& task = *reading_;
  ASSIGN_OR_RETURN(task.model, io_.shared().models.find(task.request.model, task.request.version));
  ASSIGN_OR_RETURN(task.checked, check_request(*task.model, task.request));
  RETURN_IF_ERROR(write_table(task, io_.shared().slots, [this, &task](const wire::ShmPlace& place) {
    return use_shm_input(io_, task, place);
  }));
  return io_.submit(task);
}

void GrpcInferCall::fail(InferTask& task, const Error& error) {
  record_failure(io_, task, error);
  const std::string id = task.request.id;
  running_.erase(&task);
  io_.finish(task);
  if (stream_) {
    // The stream goes on: the error is the answer to this request alone.
    wire::Reply reply;
    reply.pieces = wire::encode_stream_error(error.what, id);
    exchange_->send(std::move(reply));
    return end_if_done();
  }
  exchange_->user = nullptr;
  exchange_->fail(error);
  io_.end(*this);
}

void GrpcInferCall::half_close() {
  half_closed_ = true;
  end_if_done();
}

void GrpcInferCall::end_if_done() {
  if (!stream_ || !half_closed_ || !running_.empty() || reading_) return;
  exchange_->user = nullptr;
  exchange_->finish(ok());
  io_.end(*this);
}

void GrpcInferCall::cancelled() {
  if (reading_) {
    io_.forget_waiter(*this);
    io_.finish(*reading_);
  }
  reading_ = nullptr;
  for (InferTask* task : running_) io_.abandon(*task);
  running_.clear();
}

void GrpcInferCall::refused(InferTask& task, const Error& why) { fail(task, why); }

void GrpcInferCall::completed(InferTask& task, const Arrival& arrival) {
  auto outputs = read_reply(task, arrival,
                            [this](const wire::ShmPlace& place, std::span<const std::byte> bytes) {
                              return write_shm_output(io_, place, bytes);
                            });
  if (!outputs) return fail(task, outputs.error());
  wire::InferResponse response{task.model->name, task.model->version_text, task.request.id,
                               outputs->tensors};
  const bool final_response = stream_ && task.request.empty_final_response;
  wire::Reply reply;
  reply.pieces = stream_ ? wire::encode_stream_response(response, final_response)
                         : wire::encode_infer_response(response, final_response);
  if (outputs->better_copied()) {
    std::string whole;
    for (const auto& piece : reply.pieces)
      whole.append(piece.owned)
          .append(reinterpret_cast<const char*>(piece.borrowed.data()), piece.borrowed.size());
    reply.pieces.clear();
    reply.pieces.emplace_back(std::move(whole));
  } else {
    reply.release = release_when_written(*std::move(outputs));
  }
  record_success(io_, task, arrival);
  running_.erase(&task);
  io_.finish(task);
  if (stream_) {
    exchange_->send(std::move(reply));
    return end_if_done();
  }
  exchange_->user = nullptr;
  exchange_->reply(std::move(reply));
  io_.end(*this);
}

}  // namespace corolla::front
