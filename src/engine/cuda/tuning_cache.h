// Tuned choices on disk: one text file for each kind of slice (plan::tuning_key), one line a shape.
//
// Several workers of one kind start at once: who holds the Lock tunes, the others wait and then
// find what was tuned. Files are replaced whole, so a reader never sees half of one. A file that
// cannot be read counts as empty: tuning again costs seconds.
#pragma once
#include <optional>
#include <string>

#include "base/fd.h"
#include "engine/cuda/tuner.h"
#include "plan/plan.h"

namespace corolla::engine::cuda {

class TuningCache {
 public:
  // `folder` empty: nothing is kept.
  TuningCache(std::string folder, const plan::Target& target);

  TunedTable read() const;
  // Adds to what is there. An Error only says that nothing was kept.
  Status add(const TunedTable& table) const;

  class Lock {
   public:
    explicit Lock(const TuningCache& cache);  // waits
   private:
    Fd fd_;
  };

 private:
  std::string path_;  // empty: none
};

std::string table_text(const TunedTable& table);
TunedTable table_from_text(const std::string& text);

}  // namespace corolla::engine::cuda
