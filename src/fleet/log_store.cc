#include "fleet/log_store.h"

#include <algorithm>

namespace corolla::fleet {

void LogStore::add(std::string_view line) {
  lines_.emplace_back(line);
  bytes_ += line.size();
  while (lines_.size() > most_lines_ || (bytes_ > most_bytes_ && lines_.size() > 1)) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
  }
  for (const auto& [id, follower] : followers_) follower(lines_.back());
}

std::vector<std::string> LogStore::last(size_t count) const {
  const size_t skip = lines_.size() - std::min(count, lines_.size());
  return {lines_.begin() + static_cast<ptrdiff_t>(skip), lines_.end()};
}

uint64_t LogStore::follow(Follower follower) {
  followers_[next_id_] = std::move(follower);
  return next_id_++;
}

void LogStore::unfollow(uint64_t id) { followers_.erase(id); }

void LineSplitter::feed(std::string_view bytes, const std::function<void(std::string_view)>& line) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t take =
        std::min(end == std::string_view::npos ? bytes.size() : end, kLongestLine - rest_.size());
    rest_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    const bool ended = !bytes.empty() && bytes.front() == '\n';
    if (ended) bytes.remove_prefix(1);
    if (ended || rest_.size() == kLongestLine) {
      line(rest_);
      rest_.clear();
    }
  }
}

void LineSplitter::finish(const std::function<void(std::string_view)>& line) {
  if (!rest_.empty()) line(rest_);
  rest_.clear();
}

}  // namespace corolla::fleet
