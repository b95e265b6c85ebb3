// Memory of requests or replies that the engine was told of, until this goes: which it does before
// the memory is unmapped, and when no batch uses it. Not thread-safe.
#pragma once
#include <span>
#include <utility>

#include "engine/engine.h"

namespace corolla::worker {

class EngineMemory {
 public:
  EngineMemory() = default;
  EngineMemory(engine::Engine& engine, std::span<const std::byte> memory, bool writable)
      : engine_(&engine), memory_(memory) {
    engine.use_memory(memory, writable);
  }
  EngineMemory(EngineMemory&& other) noexcept
      : engine_(std::exchange(other.engine_, nullptr)), memory_(other.memory_) {}
  EngineMemory& operator=(EngineMemory&& other) noexcept {
    std::swap(engine_, other.engine_);
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~EngineMemory() {
    if (engine_ != nullptr) engine_->forget_memory(memory_);
  }

 private:
  engine::Engine* engine_ = nullptr;
  std::span<const std::byte> memory_;
};

}  // namespace corolla::worker
