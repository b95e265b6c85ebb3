#include "plan/lower/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace corolla::plan {
namespace {

// Tensors that lie at one place, one after or within the other.
struct Block {
  int64_t bytes = 0, offset = -1;
  int first = -1, last = -1;  // steps
};

bool overlap_in_time(const Block& a, const Block& b) {
  return a.first <= b.last && b.first <= a.last;
}

class Planner {
 public:
  explicit Planner(Program& program)
      : program_(program), owner_(program.tensors.size()), last_use_(program.tensors.size(), -1) {
    std::iota(owner_.begin(), owner_.end(), 0);
  }

  void run() {
    find_last_uses();
    for (size_t s = 0; s < program_.steps.size(); ++s) share(static_cast<int>(s));
    make_blocks();
    // No order is always best: the better of two that are known to do well.
    const auto by_size = [this](int a, int b) {
      return std::tuple(-blocks_[a].bytes, blocks_[a].first, a) <
             std::tuple(-blocks_[b].bytes, blocks_[b].first, b);
    };
    const auto by_time = [this](int a, int b) {
      return std::tuple(blocks_[a].first, -blocks_[a].bytes, a) <
             std::tuple(blocks_[b].first, -blocks_[b].bytes, b);
    };
    const int64_t sized = place(by_size);
    if (place(by_time) > sized) place(by_size);
    for (size_t t = 0; t < program_.tensors.size(); ++t)
      if (program_.tensors[t].place == Place::kArena)
        program_.tensors[t].offset = blocks_[block_of(static_cast<int>(t))].offset;
    program_.arena_bytes = total_;
    program_.arena_lower_bound = most_alive();
  }

 private:
  PlanTensor& tensor(int32_t id) { return program_.tensors[static_cast<size_t>(id)]; }

  int find(int t) const {
    while (owner_[static_cast<size_t>(t)] != t) t = owner_[static_cast<size_t>(t)];
    return t;
  }
  size_t block_of(int t) const { return static_cast<size_t>(block_[static_cast<size_t>(find(t))]); }

  void find_last_uses() {
    for (size_t s = 0; s < program_.steps.size(); ++s)
      for (const int32_t id : program_.steps[s].inputs)
        last_use_[static_cast<size_t>(id)] = static_cast<int>(s);
  }

  // Nothing that lies where `id` lies is read after step s.
  bool dies_at(int32_t id, int s) const {
    const int own = find(id);
    for (size_t t = 0; t < owner_.size(); ++t)
      if (find(static_cast<int>(t)) == own && last_use_[t] > s) return false;
    return true;
  }

  void share(int s) {
    const Step& step = program_.steps[static_cast<size_t>(s)];
    const int32_t out = step.outputs[0];
    if (tensor(out).place != Place::kArena) return;
    if (step.op() == StepOp::kReshape) {
      if (tensor(step.inputs[0]).place == Place::kArena)
        owner_[static_cast<size_t>(out)] = find(step.inputs[0]);
      return;
    }
    if (step.op() != StepOp::kElementwise) return;
    for (const int32_t in : step.inputs) {
      const PlanTensor& from = tensor(in);
      if (from.place != Place::kArena || from.shape != tensor(out).shape ||
          from.layout != tensor(out).layout || from.dtype != tensor(out).dtype || !dies_at(in, s))
        continue;
      owner_[static_cast<size_t>(out)] = find(in);
      return;
    }
  }

  // A convolution that adds what a 1 x 1 convolution made may be run together with that one: what
  // that one reads stays until then. -1: there is no such.
  int32_t kept_for(const Step& step) const {
    const auto* conv = std::get_if<Conv>(&step.operation);
    if (conv == nullptr || !conv->epilogue.residual) return -1;
    for (const Step& before : program_.steps) {
      if (before.outputs[0] != step.inputs[3]) continue;
      const auto* shortcut = std::get_if<Conv>(&before.operation);
      return shortcut != nullptr && shortcut->kernel_h == 1 && shortcut->kernel_w == 1
                 ? before.inputs[0]
                 : -1;
    }
    return -1;
  }

  void make_blocks() {
    block_.assign(program_.tensors.size(), -1);
    const auto touch = [&](int32_t id, int s) {
      if (tensor(id).place != Place::kArena) return;
      int& b = block_[static_cast<size_t>(find(id))];
      if (b < 0) {
        b = static_cast<int>(blocks_.size());
        blocks_.emplace_back();
      }
      Block& block = blocks_[static_cast<size_t>(b)];
      if (block.first < 0) block.first = s;
      block.last = std::max(block.last, s);
      block.bytes = std::max(block.bytes, (tensor(id).bytes + kArenaAlignment - 1) /
                                              kArenaAlignment * kArenaAlignment);
    };
    for (size_t s = 0; s < program_.steps.size(); ++s) {
      for (const int32_t id : program_.steps[s].inputs) touch(id, static_cast<int>(s));
      if (const int32_t id = kept_for(program_.steps[s]); id >= 0) touch(id, static_cast<int>(s));
      for (const int32_t id : program_.steps[s].outputs) touch(id, static_cast<int>(s));
    }
  }

  // Each at the lowest offset that nothing alive with it has taken. Returns the arena's size.
  template <class Order>
  int64_t place(Order order) {
    std::vector<int> sequence(blocks_.size());
    std::iota(sequence.begin(), sequence.end(), 0);
    std::sort(sequence.begin(), sequence.end(), order);
    std::vector<const Block*> placed;
    total_ = 0;
    for (const int b : sequence) {
      Block& block = blocks_[static_cast<size_t>(b)];
      int64_t offset = 0;
      for (const Block* other : placed) {  // by rising offset
        if (!overlap_in_time(block, *other)) continue;
        if (offset + block.bytes <= other->offset) break;
        offset = std::max(offset, other->offset + other->bytes);
      }
      block.offset = offset;
      total_ = std::max(total_, offset + block.bytes);
      placed.insert(
          std::upper_bound(placed.begin(), placed.end(), &block,
                           [](const Block* x, const Block* y) { return x->offset < y->offset; }),
          &block);
    }
    return total_;
  }

  int64_t most_alive() const {
    int64_t most = 0;
    for (int s = 0; s < static_cast<int>(program_.steps.size()); ++s) {
      int64_t alive = 0;
      for (const Block& block : blocks_)
        if (block.first <= s && s <= block.last) alive += block.bytes;
      most = std::max(most, alive);
    }
    return most;
  }

  Program& program_;
  std::vector<int> owner_;  // a forest: what lies where
  std::vector<int> last_use_;
  std::vector<int> block_;  // by root
  std::vector<Block> blocks_;
  int64_t total_ = 0;
};

}  // namespace

void plan_memory(Program& program) { Planner(program).run(); }

}  // namespace corolla::plan
