// The last lines that the fleet's processes have printed, and who wants to see new ones.
//
// Not thread-safe: the keeper's thread only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace corolla::fleet {

class LogStore {
 public:
  using Follower = std::function<void(const std::string& line)>;

  explicit LogStore(size_t lines = 5000, size_t bytes = 4 << 20)
      : most_lines_(lines), most_bytes_(bytes) {}

  void add(std::string_view line);  // without its line end
  // The last `count` lines, oldest first.
  std::vector<std::string> last(size_t count) const;

  // Called for each new line until unfollow(). A follower must not add lines.
  uint64_t follow(Follower follower);
  void unfollow(uint64_t id);

 private:
  size_t most_lines_, most_bytes_, bytes_ = 0;
  std::deque<std::string> lines_;
  std::map<uint64_t, Follower> followers_;
  uint64_t next_id_ = 1;
};

// Cuts a stream of bytes into lines. A line without end is cut at kLongestLine, so that no child
// can fill our memory.
class LineSplitter {
 public:
  static constexpr size_t kLongestLine = 16 << 10;
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& line);
  // What is left without a line end, if anything.
  void finish(const std::function<void(std::string_view)>& line);

 private:
  std::string rest_;
};

}  // namespace corolla::fleet
