#include "serve/worker/model_table.h"

#include <algorithm>

namespace corolla::worker {

ModelTable::Use::~Use() {
  if (!model_) return;
  // Notified under the lock: once it is released, the waiter may destroy what we point at.
  std::lock_guard lock(table_->mutex_);
  if (--model_->users == 0) table_->unused_.notify_all();
}

uint64_t ModelTable::begin_front() {
  std::lock_guard lock(mutex_);
  numbers_.clear();
  return ++generation_;
}

bool ModelTable::bind(uint64_t generation, uint32_t id, const std::string& identity) {
  std::lock_guard lock(mutex_);
  auto found = std::find_if(models_.begin(), models_.end(),
                            [&](const auto& m) { return m->identity == identity; });
  if (found == models_.end()) return false;
  if (generation == generation_) numbers_[id] = found->get();
  return true;
}

void ModelTable::add(uint64_t generation, uint32_t id, LoadedModel model) {
  Models old;
  std::unique_lock lock(mutex_);
  models_.push_back(std::make_unique<LoadedModel>(std::move(model)));
  LoadedModel* added = models_.back().get();
  if (generation == generation_) numbers_[id] = added;
  for (;;) {
    auto stale = std::find_if(models_.begin(), models_.end(), [&](const auto& m) {
      return m.get() != added && m->name == added->name && !has_number(*m);
    });
    if (stale == models_.end()) break;
    old.push_back(extract(lock, stale->get()));
  }
  lock.unlock();
}

void ModelTable::remove(uint64_t generation, uint32_t id) {
  std::unique_ptr<LoadedModel> gone;
  std::unique_lock lock(mutex_);
  auto found = numbers_.find(id);
  if (generation != generation_ || found == numbers_.end()) return;
  LoadedModel* model = found->second;
  numbers_.erase(found);
  if (!has_number(*model)) gone = extract(lock, model);
  lock.unlock();
}

void ModelTable::clear() {
  Models all;
  std::unique_lock lock(mutex_);
  numbers_.clear();
  while (!models_.empty()) all.push_back(extract(lock, models_.back().get()));
  lock.unlock();
}

ModelTable::Use ModelTable::use(uint64_t generation, uint32_t id) {
  std::lock_guard lock(mutex_);
  auto found = numbers_.find(id);
  if (generation != generation_ || found == numbers_.end()) return {};
  ++found->second->users;
  return {this, found->second};
}

bool ModelTable::has_number(const LoadedModel& model) const {
  return std::any_of(numbers_.begin(), numbers_.end(),
                     [&](const auto& n) { return n.second == &model; });
}

std::unique_ptr<LoadedModel> ModelTable::extract(std::unique_lock<std::mutex>& lock,
                                                 LoadedModel* model) {
  // Out of the table first, so that nobody finds it while we wait.
  auto at =
      std::find_if(models_.begin(), models_.end(), [&](const auto& m) { return m.get() == model; });
  std::unique_ptr<LoadedModel> gone = std::move(*at);
  models_.erase(at);
  unused_.wait(lock, [&] { return gone->users == 0; });
  return gone;
}

}  // namespace corolla::worker
