// Writes lines to standard error on a thread of its own: a terminal that is stopped, or a reader
// that sleeps, must not stop the keeper from watching its children. Lines that find no room are
// dropped, and counted.
//
// write() may be called from any thread.
#pragma once
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace corolla::app {

class LineWriter {
 public:
  LineWriter();
  // Writes what is left, for at most a second.
  ~LineWriter();
  void write(std::string_view line);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  size_t dropped_ = 0;
  bool ending_ = false;
  bool idle_ = true;
  std::thread thread_;
};

}  // namespace corolla::app
