// A batch as inference calls to a KServe v2 server, and the server's answers back into the batch.
//
// Requests of equal shape go as one call: their tensors are sent one behind the other from where
// they lie, so that joining them copies nothing, and the answer's rows are dealt out again.
// Thread-safe: pure functions.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "client/infer_call.h"
#include "engine/engine.h"
#include "wire/infer_message.h"

namespace corolla::engine {

// What a call has to know of its model.
struct CallModel {
  std::string name, version;
  bool batched = false;  // there is a batch dimension, in requests' shapes the first one
  std::vector<TensorSpec> inputs, outputs;
};

using RequestGroup = std::vector<Request*>;  // in the order of their rows

// The calls that `requests` become: those of equal shapes together, if the model batches.
std::vector<RequestGroup> groups_of(const CallModel& model, std::span<Request> requests);

// Borrows the group's tensors. Asks for the outputs that any of its requests wants.
struct BatchCall {
  wire::InferRequest request;
  std::vector<std::vector<std::span<const std::byte>>> parts;  // for client::InferOptions
};
BatchCall batch_call(const CallModel& model, const RequestGroup& group);

// Writes the outputs into the group's replies. kInternal, naming the output, when the answer is not
// what the model promised; replies may then be half written.
Status deal_out(const CallModel& model, const client::InferAnswer& answer,
                const RequestGroup& group);

}  // namespace corolla::engine
