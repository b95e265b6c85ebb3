#include "line_writer.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

namespace corolla::app {
namespace {

constexpr size_t kMostWaiting = 4 << 20;

}  // namespace

LineWriter::LineWriter() {
  // The thread inherits a mask without any signal: they are all the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LineWriter::~LineWriter() {
  if (thread_.joinable()) thread_.join();
}

bool LineWriter::finish(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  ending_ = true;
  changed_.notify_all();
  return changed_.wait_for(lock, limit, [this] { return idle_ && waiting_.empty(); });
}

void LineWriter::write(std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() + line.size() > kMostWaiting) {
    ++dropped_;
    return;
  }
  if (dropped_ > 0) waiting_ += "(" + std::to_string(dropped_) + " lines were dropped here)\n";
  dropped_ = 0;
  waiting_ += line;
  waiting_ += '\n';
  changed_.notify_all();
}

void LineWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::string now;
    now.swap(waiting_);
    idle_ = false;
    lock.unlock();
    for (size_t at = 0; at < now.size();) {
      const ssize_t n = ::write(STDERR_FILENO, now.data() + at, now.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) break;  // nobody will ever read it
      at += static_cast<size_t>(n);
    }
    lock.lock();
    idle_ = true;
    changed_.notify_all();
  }
}

}  // namespace corolla::app
