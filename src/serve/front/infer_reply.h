// From a worker's reply slot to the outputs of an answer.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/front/classification.h"
#include "serve/front/infer_task.h"
#include "serve/front/switchboard.h"
#include "wire/infer_message.h"

namespace corolla::front {

// The outputs that the client asked for, in its order (or the model's). Views point into the reply
// slot, or into `made` here.
struct ReplyOutputs {
  std::vector<wire::OutputTensor> tensors;
  std::vector<ClassTensor> made;  // classifications
  size_t borrowed_bytes = 0;      // of tensors that lie in the reply slot
};

// Writes an output into a client's registered memory.
using WriteShm = std::function<Status(const wire::ShmPlace&, std::span<const std::byte>)>;

// Every number in the reply slot is checked: a worker may be broken. kInternal then;
// kInvalidArgument when the engine refused the request's content; kInternal with the engine's
// sentence when it failed.
Result<ReplyOutputs> read_reply(const InferTask& task, const Arrival& arrival,
                                const WriteShm& write_shm);

}  // namespace corolla::front
