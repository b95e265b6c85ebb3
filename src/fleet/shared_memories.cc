#include "fleet/shared_memories.h"

#include <algorithm>

namespace corolla::fleet {

SharedMemories::Answers SharedMemories::want(uint32_t worker, const std::string& name) {
  if (!memories_.contains(name)) {
    const auto known = std::count_if(memories_.begin(), memories_.end(), [&](const auto& entry) {
      const auto& waiting = entry.second.waiting;
      return entry.second.users.contains(worker) ||
             std::find(waiting.begin(), waiting.end(), worker) != waiting.end();
    });
    if (static_cast<size_t>(known) >= kMostOfAWorker) return {{worker, name}};
  }
  Memory& memory = memories_[name];
  if (memory.descriptor) {
    ++memory.users[worker];
    return {{worker, name, memory.descriptor.get()}};
  }
  if (memory.maker == 0) {
    memory.maker = worker;
    ++memory.users[worker];
    return {{worker, name}};
  }
  memory.waiting.push_back(worker);
  return {};
}

SharedMemories::Answers SharedMemories::made(uint32_t worker, const std::string& name,
                                             Fd descriptor) {
  const auto found = memories_.find(name);
  if (found == memories_.end() || found->second.maker != worker) return {};
  Memory& memory = found->second;
  memory.maker = 0;
  if (!descriptor) {
    memory.users.erase(worker);
    return settle(found);
  }
  memory.descriptor = std::move(descriptor);
  Answers answers;
  for (const uint32_t waiter : memory.waiting) {
    ++memory.users[waiter];
    answers.push_back({waiter, name, memory.descriptor.get()});
  }
  memory.waiting.clear();
  return answers;
}

SharedMemories::Answers SharedMemories::drop(uint32_t worker, const std::string& name) {
  const auto found = memories_.find(name);
  if (found == memories_.end()) return {};
  Memory& memory = found->second;
  if (const auto waits = std::find(memory.waiting.begin(), memory.waiting.end(), worker);
      waits != memory.waiting.end()) {
    memory.waiting.erase(waits);
    return {};
  }
  const auto user = memory.users.find(worker);
  if (user == memory.users.end()) return {};
  if (--user->second == 0) memory.users.erase(user);
  if (memory.maker == worker) memory.maker = 0;
  return settle(found);
}

SharedMemories::Answers SharedMemories::gone(uint32_t worker) {
  Answers answers;
  for (auto next = memories_.begin(); next != memories_.end();) {
    const auto memory = next++;
    std::erase(memory->second.waiting, worker);
    memory->second.users.erase(worker);
    if (memory->second.maker == worker) memory->second.maker = 0;
    for (Answer& answer : settle(memory)) answers.push_back(std::move(answer));
  }
  return answers;
}

SharedMemories::Answers SharedMemories::settle(Found memory) {
  Memory& it = memory->second;
  if (it.maker != 0 || !it.users.empty()) return {};
  if (it.waiting.empty()) {
    memories_.erase(memory);
    return {};
  }
  it.maker = it.waiting.front();
  it.waiting.pop_front();
  ++it.users[it.maker];
  return {{it.maker, memory->first}};
}

}  // namespace corolla::fleet
