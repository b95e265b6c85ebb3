// The generator measured against servers whose truth is known, on this machine, now.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace corolla::load {

struct SelfCheckLine {
  std::string what;
  double found = 0, truth = 0;  // milliseconds, or requests a second
  std::string unit;
  double ratio() const { return truth > 0 ? found / truth : 0; }
};

// A server with a table of delays (p50, p99, p99.9), and one that stands still for 1 s in every 10
// s (p50, p99, p99.9), each under open-loop load for about `length`. Also the most small requests a
// second from one thread.
Result<std::vector<SelfCheckLine>> self_check(Duration length);

}  // namespace corolla::load
