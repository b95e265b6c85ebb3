// What the JSON part of a request and of an answer costs: the form perf_client sends (all tensors
// binary), and a picture as JSON numbers.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "wire/v2_json.h"

namespace corolla::wire {
namespace {

void DecodeBinaryRequest(benchmark::State& state) {
  const std::string json =
      R"({"id":"","inputs":[{"name":"input","datatype":"FP32","shape":[1,3,224,224],"parameters":)"
      R"({"binary_data_size":602112}}],"outputs":[{"name":"output","parameters":{"binary_data":true}}]})";
  V2Decoder decoder;
  for (auto _ : state) {
    auto request = decoder.decode(json, 602112);
    CHECK(request.ok());
    benchmark::DoNotOptimize(request);
  }
}
BENCHMARK(DecodeBinaryRequest);

void DecodeJsonPicture(benchmark::State& state) {
  std::string json =
      R"({"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,224,224],"data":[)";
  for (int i = 0; i < 150528; ++i) json += (i ? "," : "") + std::to_string((i % 997) / 997.0);
  json += "]}]}";
  V2Decoder decoder;
  for (auto _ : state) {
    auto request = decoder.decode(json, 0);
    CHECK(request.ok());
    benchmark::DoNotOptimize(request);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
}
BENCHMARK(DecodeJsonPicture);

void Encode(benchmark::State& state) {
  std::vector<float> values(102);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0.37f * static_cast<float>(i) - 11;
  const int64_t shape[] = {1, 102};
  OutputTensor output{.name = "output",
                      .dtype = DType::kFp32,
                      .shape = shape,
                      .bytes = std::as_bytes(std::span(values)),
                      .binary = state.range(0) != 0};
  for (auto _ : state) {
    auto text = encode_response({.model = "flower",
                                 .version = "1",
                                 .id = "7",
                                 .outputs = std::span<const OutputTensor>(&output, 1)});
    CHECK(text.ok());
    benchmark::DoNotOptimize(text);
  }
}
BENCHMARK(Encode)->ArgName("binary")->Arg(1)->Arg(0);

}  // namespace
}  // namespace corolla::wire
