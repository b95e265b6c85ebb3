// Memory that outlives a front, in which it writes its statistics down, so that the next one goes
// on where it was killed. The keeper owns the memory (it reads nothing of it); one front after
// another maps it.
//
// There are two pages to write on, and a number that tells which one counts: a front that is killed
// while it writes leaves the page before.
//
// Not thread-safe.
#pragma once
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "base/shared_memory.h"

namespace corolla::front {

class StatisticsBook {
 public:
  // kInvalidArgument: this is no memory of at least two pages of the system's.
  static Result<StatisticsBook> open(const Fd& memory);

  // What was written last; empty: nothing yet, or nonsense.
  std::string read() const;
  // False where it does not fit: then the last page stays.
  bool write(std::string_view record);

 private:
  struct Head;
  explicit StatisticsBook(Mapping memory);
  Head& head() const;
  size_t page_bytes() const;

  Mapping memory_;
};

}  // namespace corolla::front
