// Answers to inference calls, from a server that nobody vouches for. The first byte chooses the
// protocol and where the JSON ends.
#include <cstdlib>

#include "client/infer_call.h"

using namespace corolla;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto body = std::as_bytes(std::span(data + 1, size - 1));
  wire::Answer answer;
  answer.body = body;
  if (data[0] > 1) answer.json_size = data[0];
  const auto read = client::read_infer_answer(
      data[0] == 0 ? wire::Protocol::kGrpc : wire::Protocol::kHttp, answer);
  if (!read.ok()) return 0;
  const client::InferAnswer kept = client::kept(*read);
  for (size_t i = 0; i < kept.outputs.size(); ++i) {
    if (kept.outputs[i].bytes.size() != read->outputs[i].bytes.size()) std::abort();
    (void)client::read_classification(kept.outputs[i]);
  }
  return 0;
}
