#include "slice/child_probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace corolla::slice {
namespace {

[[noreturn]] void answer(int out, const Result<std::string>& result) {
  // One byte tells what follows: a value, or an Error's code and sentence.
  std::string bytes;
  if (result.ok())
    bytes = "=" + *result;
  else
    bytes = std::string("!") + static_cast<char>(result.error().code) + result.error().what;
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t wrote = ::write(out, bytes.data() + at, bytes.size() - at);
    if (wrote <= 0) break;
    at += static_cast<size_t>(wrote);
  }
  ::_exit(0);
}

}  // namespace

Result<std::string> ask_in_child(const std::function<Result<std::string>()>& question,
                                 Duration limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{Code::kInternal, std::string("pipe: ") + std::strerror(errno)};
  Fd in(ends[0]), out(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Error{Code::kInternal, std::string("fork: ") + std::strerror(errno)};
  if (child == 0) answer(out.get(), question());
  out.reset();
  std::string bytes;
  bool complete = false;
  for (const TimePoint until = now() + limit;;) {
    const auto left = std::max(until - now(), Duration(0)) / std::chrono::milliseconds(1);
    pollfd watched{in.get(), POLLIN, 0};
    const int ready = ::poll(&watched, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    char some[4096];
    const ssize_t got = ::read(in.get(), some, sizeof some);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      complete = true;
      break;
    }
    bytes.append(some, static_cast<size_t>(got));
  }
  if (!complete) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!complete)
    return Error{Code::kUnavailable, "the driver gave no answer within " +
                                         std::to_string(limit / std::chrono::seconds(1)) + " s"};
  if (bytes.size() >= 2 && bytes[0] == '!')
    return Error{static_cast<Code>(bytes[1]), bytes.substr(2)};
  if (bytes.empty() || bytes[0] != '=')
    return Error{Code::kUnavailable, WIFSIGNALED(status)
                                         ? std::string("the driver died of SIG") +
                                               ::sigabbrev_np(WTERMSIG(status)) + " when asked"
                                         : "the driver gave no answer"};
  return bytes.substr(1);
}

}  // namespace corolla::slice
