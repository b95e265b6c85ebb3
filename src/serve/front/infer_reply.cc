#include "serve/front/infer_reply.h"

#include <algorithm>

#include "link/shared_layout.h"

namespace corolla::front {
namespace {

Error broken(const std::string& what) {
  return {Code::kInternal, "the worker's answer is broken: " + what};
}

std::string sentence(std::span<const std::byte> slot, uint64_t bytes) {
  const size_t most = slot.size() - link::kTableBytes;
  const size_t length = std::min<size_t>({bytes, most, 4096});
  return std::string(reinterpret_cast<const char*>(slot.data()) + link::kTableBytes, length);
}

Result<wire::OutputTensor> tensor_at(const link::TensorRecord& record,
                                     std::span<const std::byte> slot, uint64_t slot_offset) {
  if (record.dims > link::kMaxDims || record.dtype > DType::kBytes)
    return broken("a tensor of unknown dtype or rank");
  const uint64_t begin = record.offset - slot_offset;
  if (record.offset < slot_offset || begin < link::kTableBytes || begin > slot.size() ||
      record.bytes > slot.size() - begin)
    return broken("a tensor lies outside its slot");
  wire::OutputTensor tensor;
  tensor.dtype = record.dtype;
  tensor.shape = {record.shape, record.dims};
  tensor.bytes = slot.subspan(begin, record.bytes);
  if (record.dtype != DType::kBytes) {
    const auto expected = byte_count(record.dtype, tensor.shape);
    if (!expected || static_cast<uint64_t>(*expected) != record.bytes)
      return broken("a tensor's bytes do not fit its shape");
  }
  return tensor;
}

}  // namespace

Result<ReplyOutputs> read_reply(const InferTask& task, const Arrival& arrival,
                                const WriteShm& write_shm) {
  const auto& dispatch = task.dispatch;
  ReplySlot held(arrival.worker, dispatch.reply);
  const auto slot = arrival.worker->reply(dispatch.reply, dispatch.reply_capacity);
  const auto& completion = arrival.completion;
  switch (completion.outcome) {
    case link::Outcome::kOk:
      break;
    case link::Outcome::kBadInput:
      return Error{Code::kInvalidArgument, sentence(slot, completion.bytes)};
    case link::Outcome::kEngineFailed:
      return Error{Code::kInternal, sentence(slot, completion.bytes)};
    case link::Outcome::kReplyTooSmall:
      return Error{Code::kInternal, "the outputs of '" + task.model->name + "' need " +
                                        std::to_string(completion.bytes) +
                                        " bytes and still did not fit"};
    case link::Outcome::kUnknownModel:
      return Error{Code::kUnavailable, "model '" + task.model->name + "' was unloaded meanwhile"};
    default:
      return broken("an unknown outcome");
  }
  const auto& table = *reinterpret_cast<const link::TensorTable*>(slot.data());
  const uint32_t count = table.count;
  if (count > link::kMaxTensors) return broken("too many tensors");

  const auto& model = *task.model;
  std::vector<const link::TensorRecord*> records(model.outputs.size(), nullptr);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t index = table.tensors[i].index;
    if (index >= records.size()) return broken("an output that the model does not have");
    records[index] = &table.tensors[i];
  }

  ReplyOutputs outputs{.slot = std::move(held), .tensors = {}, .made = {}};
  const auto add = [&](size_t index, const wire::WantedOutput* wanted) -> Status {
    const auto& spec = model.outputs[index];
    if (!records[index]) return broken("output '" + spec.name + "' is missing");
    ASSIGN_OR_RETURN(auto tensor,
                     tensor_at(*records[index], slot, link::kReplyDataOffset + dispatch.reply));
    tensor.name = spec.name;
    tensor.binary = wanted ? wanted->binary : task.request.binary_by_default;
    if (wanted && wanted->class_count > 0) {
      ASSIGN_OR_RETURN(auto classes,
                       classify(spec.name, tensor.dtype, tensor.shape, tensor.bytes,
                                model.max_batch > 0, wanted->class_count, spec.labels));
      const auto& made = outputs.made.emplace_back(std::move(classes));
      tensor.dtype = DType::kBytes;
      tensor.bytes = std::as_bytes(std::span(made.bytes));
      tensor.shape = made.shape;
    } else {
      outputs.borrowed_bytes += tensor.bytes.size();
    }
    if (wanted && wanted->shm) {
      if (tensor.bytes.size() > wanted->shm->bytes)
        return Error{Code::kInvalidArgument,
                     "shared memory size specified with the request for output '" + spec.name +
                         "' (" + std::to_string(wanted->shm->bytes) +
                         " bytes) should be at least " + std::to_string(tensor.bytes.size()) +
                         " bytes to hold the results"};
      RETURN_IF_ERROR(write_shm(*wanted->shm, tensor.bytes));
      tensor.shm = wanted->shm;
      tensor.shm->bytes = tensor.bytes.size();
    }
    outputs.tensors.push_back(std::move(tensor));
    return ok();
  };
  outputs.made.reserve(task.request.outputs.size());
  if (task.request.outputs.empty()) {
    for (size_t i = 0; i < model.outputs.size(); ++i) RETURN_IF_ERROR(add(i, nullptr));
  } else {
    for (const auto& wanted : task.request.outputs) {
      const auto spec = std::ranges::find(model.outputs, wanted.name, &TensorSpec::name);
      RETURN_IF_ERROR(add(static_cast<size_t>(spec - model.outputs.begin()), &wanted));
    }
  }
  return outputs;
}

std::function<void()> release_when_written(ReplyOutputs outputs) {
  return [kept = std::make_shared<ReplyOutputs>(std::move(outputs))]() mutable { kept.reset(); };
}

}  // namespace corolla::front
