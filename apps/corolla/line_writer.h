// Writes lines to standard error on a thread of its own: a terminal that is stopped, or a reader
// that sleeps, must not stop the keeper from watching its children. Lines that find no room are
// dropped, and counted.
//
// write() may be called from any thread.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace corolla::app {

class LineWriter {
 public:
  LineWriter();
  // REQUIRES: finish() has returned true.
  ~LineWriter();
  // Writes what is left. False if that takes longer than `limit`: nobody reads, the thread is stuck
  // in a write that nothing can interrupt, and only the process's end ends it.
  bool finish(std::chrono::milliseconds limit);
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
