#include "serve/front/http_infer_call.h"

#include <charconv>
#include <cstring>

#include "serve/front/infer_reply.h"
#include "serve/front/infer_table.h"
#include "serve/front/record.h"

namespace corolla::front {
namespace {

constexpr size_t kMaxJson = size_t{32} << 20;
constexpr size_t kGrow = 64 << 10;  // an open-ended body grows by this much at a time

}  // namespace

HttpInferCall::HttpInferCall(IoThread& io, wire::Exchange& exchange,
                             std::shared_ptr<const ServedModel> model)
    : io_(io), exchange_(&exchange), task_(&io.slab().create()) {
  task_->exchange = &exchange;
  task_->arrived = exchange.arrived();
  task_->model = std::move(model);
}

HttpInferCall::~HttpInferCall() = default;

void HttpInferCall::fail(const Error& error) {
  record_failure(io_, *task_, error);
  io_.finish(*task_);
  task_ = nullptr;
  exchange_->user = nullptr;
  exchange_->fail(error);
  io_.end(*this);
}

wire::BodySink* HttpInferCall::message(std::optional<size_t> length) {
  if (const auto header = exchange_->header("inference-header-content-length")) {
    size_t value = 0;
    const auto [end, problem] =
        std::from_chars(header->data(), header->data() + header->size(), value);
    if (problem != std::errc() || end != header->data() + header->size() ||
        (length && value > *length)) {
      fail({Code::kInvalidArgument, "Inference-Header-Content-Length is '" + std::string(*header) +
                                        "'; it must be a number no larger than the body"});
      return nullptr;
    }
    json_header_ = value;
  }
  open_ended_ = !length;
  if (open_ended_) return this;
  text_want_ = json_header_.value_or(*length);
  binary_want_ = *length - text_want_;
  if (text_want_ > kMaxJson) {
    fail({Code::kTooLarge, "the JSON part has " + std::to_string(text_want_) + " bytes; at most " +
                               std::to_string(kMaxJson) +
                               " are read: send tensors as binary data"});
    return nullptr;
  }
  if (binary_want_ > 0 &&
      slot_bytes_for(binary_want_) > io_.shared().slots.arena().largest_block()) {
    fail({Code::kTooLarge, "the request has " + std::to_string(binary_want_) +
                               " bytes of tensors; the request arena's largest slot holds " +
                               std::to_string(io_.shared().slots.arena().largest_block())});
    return nullptr;
  }
  text_.resize(text_want_);
  return this;
}

bool HttpInferCall::take_slot() {
  if (!task_->slot) task_->slot = io_.shared().slots.allocate(slot_bytes_for(binary_want_));
  return task_->slot.has_value();
}

std::span<std::byte> HttpInferCall::room() {
  if (open_ended_) {
    if (text_have_ == text_.size()) text_.resize(text_.size() + std::max(kGrow, text_.size() / 2));
    return std::as_writable_bytes(std::span(text_)).subspan(text_have_);
  }
  if (text_have_ < text_want_) return std::as_writable_bytes(std::span(text_)).subspan(text_have_);
  if (binary_have_ == binary_want_) return {};
  if (!take_slot()) {
    io_.wait_for_slot(*this);
    return {};
  }
  std::byte* const at = io_.shared().slots.at(*task_->slot) + link::kTableBytes;
  return {at + binary_have_, binary_want_ - binary_have_};
}

Status HttpInferCall::filled(size_t n) {
  if (open_ended_ || text_have_ < text_want_)
    text_have_ += n;
  else
    binary_have_ += n;
  return ok();
}

bool HttpInferCall::slot_freed() {
  if (!take_slot()) return false;
  exchange_->resume();
  return true;
}

Result<wire::InferRequest> HttpInferCall::decode() {
  auto& slots = io_.shared().slots;
  if (open_ended_) {
    text_want_ = json_header_.value_or(text_have_);
    if (text_want_ > text_have_)
      return Error{Code::kInvalidArgument, "Inference-Header-Content-Length is " +
                                               std::to_string(text_want_) + ", but the body has " +
                                               std::to_string(text_have_) + " bytes"};
    binary_want_ = binary_have_ = text_have_ - text_want_;
    if (binary_want_ > 0) {
      if (!take_slot())
        return Error{Code::kOverloaded, "no room for " + std::to_string(binary_want_) +
                                            " bytes of tensors in the request arena now"};
      std::memcpy(slots.at(*task_->slot) + link::kTableBytes, text_.data() + text_want_,
                  binary_want_);
    }
  }
  std::byte* const binary = task_->slot ? slots.at(*task_->slot) + link::kTableBytes : nullptr;
  if (json_header_ && *json_header_ == 0) {
    const auto& model = *task_->model;
    if (model.inputs.size() != 1)
      return Error{Code::kInvalidArgument, "a raw binary request needs a model with one input; '" +
                                               model.name + "' has " +
                                               std::to_string(model.inputs.size())};
    const auto& spec = model.inputs[0];
    ASSIGN_OR_RETURN(auto raw, wire::raw_request(spec.name, spec.dtype, spec.shape,
                                                 model.max_batch > 0, binary_want_));
    auto& input = raw.request.inputs.at(0);
    if (raw.length_prefix) {
      const uint32_t size = static_cast<uint32_t>(binary_want_);
      std::memmove(binary + sizeof size, binary,
                   size);  // slots have slack for the table's alignment
      std::memcpy(binary, &size, sizeof size);
    }
    input.bytes = {binary, static_cast<size_t>(input.binary_size)};
    return std::move(raw.request);
  }
  ASSIGN_OR_RETURN(auto request,
                   io_.decoder().decode(std::string_view(text_.data(), text_want_), binary_want_));
  size_t offset = 0;
  for (auto& input : request.inputs)
    if (input.binary) {
      input.bytes = {binary + offset, static_cast<size_t>(input.binary_size)};
      offset += input.binary_size;
    }
  return request;
}

Status HttpInferCall::start() {
  ASSIGN_OR_RETURN(task_->request, decode());
  ASSIGN_OR_RETURN(task_->checked, check_request(*task_->model, task_->request));
  RETURN_IF_ERROR(write_table(*task_, io_.shared().slots, [this](const wire::ShmPlace& place) {
    return use_shm_input(io_, *task_, place);
  }));
  return io_.submit(*task_);
}

void HttpInferCall::message_end() {
  if (!task_) return;
  if (auto started = start(); !started) fail(started.error());
}

void HttpInferCall::cancelled() {
  if (task_) io_.abandon(*task_);
  task_ = nullptr;
}

void HttpInferCall::refused(InferTask&, const Error& why) { fail(why); }

void HttpInferCall::completed(InferTask& task, const Arrival& arrival) {
  auto outputs = read_reply(task, arrival,
                            [this](const wire::ShmPlace& place, std::span<const std::byte> bytes) {
                              return write_shm_output(io_, place, bytes);
                            });
  if (!outputs) return fail(outputs.error());
  wire::InferResponse response{task.model->name, task.model->version_text, task.request.id,
                               outputs->tensors};
  auto json = wire::encode_response(response);
  if (!json) return fail(json.error());
  wire::Reply reply;
  const size_t json_size = json->size();
  const bool copy = outputs->better_copied();
  std::string head = *std::move(json);
  bool binary = false;
  for (const auto& tensor : outputs->tensors) {
    if (!tensor.binary || tensor.shm) continue;
    binary = true;
    const bool made = tensor.dtype == DType::kBytes;
    if (copy || made)
      head.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    else {
      reply.pieces.emplace_back(std::move(head));
      reply.pieces.emplace_back(tensor.bytes);
      head.clear();
    }
  }
  if (!head.empty()) reply.pieces.emplace_back(std::move(head));
  if (binary) {
    reply.json_size = json_size;
    reply.content_type = "application/octet-stream";
  }
  if (reply.pieces.size() > 1) reply.release = release_when_written(*std::move(outputs));
  record_success(io_, task, arrival);
  io_.finish(task);
  task_ = nullptr;
  exchange_->user = nullptr;
  exchange_->reply(std::move(reply));
  io_.end(*this);
}

}  // namespace corolla::front
