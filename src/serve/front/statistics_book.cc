#include "serve/front/statistics_book.h"

#include <atomic>
#include <cstring>

namespace corolla::front {

struct StatisticsBook::Head {
  std::atomic<uint64_t> written;  // how often; the page is the one of that number's parity
  uint64_t bytes[2];
};

namespace {

constexpr size_t kHeadBytes = 4096;

}  // namespace

StatisticsBook::StatisticsBook(Mapping memory) : memory_(std::move(memory)) {}

Result<StatisticsBook> StatisticsBook::open(const Fd& memory) {
  ASSIGN_OR_RETURN(Mapping map, map_shared(memory, 2 * kHeadBytes));
  return StatisticsBook(std::move(map));
}

StatisticsBook::Head& StatisticsBook::head() const {
  return *reinterpret_cast<Head*>(memory_.data());  // zero pages are a head: nothing written
}

size_t StatisticsBook::page_bytes() const { return (memory_.size() - kHeadBytes) / 2; }

std::string StatisticsBook::read() const {
  const uint64_t written = head().written.load(std::memory_order_acquire);
  const uint64_t bytes = head().bytes[written % 2];
  if (written == 0 || bytes > page_bytes()) return {};
  const std::byte* page = memory_.data() + kHeadBytes + written % 2 * page_bytes();
  return {reinterpret_cast<const char*>(page), bytes};
}

bool StatisticsBook::write(std::string_view record) {
  if (record.size() > page_bytes()) return false;
  const uint64_t next = head().written.load(std::memory_order_relaxed) + 1;
  std::memcpy(memory_.data() + kHeadBytes + next % 2 * page_bytes(), record.data(), record.size());
  head().bytes[next % 2] = record.size();
  head().written.store(next, std::memory_order_release);
  return true;
}

}  // namespace corolla::front
