// Which memory of devices the workers have in common: who makes it, who waits for it, who uses it,
// and its descriptor. Decides; the keeper sends what it says.
//
// A memory is known while a worker uses it, makes it or waits for it. When its maker dies or gives
// up, the one who has waited longest makes it.
//
// Not thread-safe.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"

namespace corolla::fleet {

class SharedMemories {
 public:
  static constexpr size_t kMostOfAWorker = 256;  // memories that one worker may use or wait for

  // What a worker is to be told.
  struct Answer {
    uint32_t worker = 0;
    std::string name;
    int descriptor = -1;  // -1: it is to make it. Ours: valid until the next call
    bool operator==(const Answer&) const = default;
  };
  using Answers = std::vector<Answer>;

  // A worker may want a memory several times, and drops it as often. A worker that wants too many
  // makes its own, which nobody else gets.
  Answers want(uint32_t worker, const std::string& name);
  // From a worker that was told to make it; of anybody else it is ignored.
  Answers made(uint32_t worker, const std::string& name, Fd descriptor);
  Answers drop(uint32_t worker, const std::string& name);
  Answers gone(uint32_t worker);

  size_t size() const { return memories_.size(); }

 private:
  struct Memory {
    Fd descriptor;
    uint32_t maker = 0;                  // 0: nobody is at it
    std::map<uint32_t, uint32_t> users;  // how often each has it, the maker among them
    std::deque<uint32_t> waiting;
  };
  using Found = std::map<std::string, Memory>::iterator;
  // What follows when there is no maker any more: another one, or the end of the memory.
  Answers settle(Found memory);

  std::map<std::string, Memory> memories_;
};

}  // namespace corolla::fleet
