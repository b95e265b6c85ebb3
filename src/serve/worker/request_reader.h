// Turns one SubmitEntry into the tensors that an engine reads, in place, after checking every
// number of it: a front that has gone wrong may cost an answer, never the worker.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "link/shared_layout.h"
#include "serve/worker/front_link.h"

namespace corolla::worker {

// Holds what the tensors point at. Not movable while `inputs` is in use.
struct RequestInputs {
  std::vector<engine::ConstTensor> inputs;  // in the model's order
  int rows = 1;

  link::TensorTable table;  // our copy: the front cannot change it under us
  std::vector<std::shared_ptr<ClientRegion>> regions;  // client memory in use
  std::vector<std::vector<std::byte>> copies;  // BYTES tensors of client memory: their lengths must
                                               // not change while they are walked

  // Client memory was cut short while it was read.
  bool broken() const;
};

// Fills `out`. kInvalidArgument, with a sentence for the client, when the request does not fit the
// model; kInternal when the front's numbers cannot be.
Status read_request(const FrontLink& front, const link::SubmitEntry& entry,
                    const engine::Model& model, int max_batch, RequestInputs& out);

}  // namespace corolla::worker
