// For tests and benchmarks of engines: replies kept in ordinary memory.
#pragma once
#include <cstdlib>
#include <map>
#include <vector>

#include "engine/engine.h"

namespace corolla::engine {

class ReplyMemory final : public ReplyWriter {
 public:
  struct Output {
    DType dtype;
    std::vector<int64_t> shape;
    std::vector<std::byte> memory;  // with room to align
    std::span<std::byte> bytes;
    template <class T>
    std::vector<T> as() const {
      const T* first = reinterpret_cast<const T*>(bytes.data());
      return {first, first + bytes.size() / sizeof(T)};
    }
  };

  bool wants(size_t output) const override { return output < 64 && (wanted >> output & 1) != 0; }
  std::span<std::byte> room(size_t output, DType dtype, std::span<const int64_t> shape,
                            size_t bytes) override {
    needed += bytes;
    if (bytes > most) return {};
    Output& made = outputs[output];
    made.dtype = dtype;
    made.shape.assign(shape.begin(), shape.end());
    made.memory.resize(bytes + 64);
    const auto at = reinterpret_cast<uintptr_t>(made.memory.data());
    made.bytes = std::span(made.memory).subspan((64 - at % 64) % 64, bytes);
    return made.bytes;
  }

  uint64_t wanted = UINT64_MAX;
  size_t most = SIZE_MAX;  // bytes of one output, over which there is no room
  size_t needed = 0;
  std::map<size_t, Output> outputs;
};

}  // namespace corolla::engine
