// Which models are loaded, and by which numbers the present front calls them. Models outlive
// fronts; numbers do not.
//
// Thread-safe: the control thread binds and forgets numbers, the loader thread adds and removes
// models, the compute thread uses them.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace corolla::worker {

struct LoadedModel {
  std::unique_ptr<engine::Model> model;
  std::string identity;  // equal for what would load the same
  std::string name;
  int max_batch = 0;
  uint64_t load_ms = 0;
  int users = 0;  // batches under way; guarded by the table's mutex
};

class ModelTable {
 public:
  // Keeps a model from being unloaded while it lives. Empty when the number is unknown.
  class Use {
   public:
    Use() = default;
    Use(ModelTable* table, LoadedModel* model) : table_(table), model_(model) {}
    Use(Use&& other) noexcept
        : table_(other.table_), model_(std::exchange(other.model_, nullptr)) {}
    Use& operator=(Use&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(model_, other.model_);
      return *this;
    }
    ~Use();
    explicit operator bool() const { return model_ != nullptr; }
    LoadedModel* operator->() const { return model_; }

   private:
    ModelTable* table_ = nullptr;
    LoadedModel* model_ = nullptr;
  };

  // Forgets all numbers. Returns the new front's generation: numbers of an older one are no longer
  // bound.
  uint64_t begin_front();

  // Gives a loaded model this number; false when nothing of that identity is loaded.
  bool bind(uint64_t generation, uint32_t id, const std::string& identity);
  // Adds a model and binds it. Older ones of the same name that have no number any more are
  // unloaded (see remove()).
  void add(uint64_t generation, uint32_t id, LoadedModel model);
  // Takes the number away, and unloads the model if that was its last one; returns once no batch
  // uses it.
  void remove(uint64_t generation, uint32_t id);
  // Unloads everything; returns once no batch is under way.
  void clear();

  Use use(uint64_t generation, uint32_t id);

 private:
  using Models = std::vector<std::unique_ptr<LoadedModel>>;
  bool has_number(const LoadedModel& model) const;
  std::unique_ptr<LoadedModel> extract(std::unique_lock<std::mutex>& lock, LoadedModel* model);

  std::mutex mutex_;
  std::condition_variable unused_;
  uint64_t generation_ = 0;
  Models models_;
  std::map<uint32_t, LoadedModel*> numbers_;
};

}  // namespace corolla::worker
