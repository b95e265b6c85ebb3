// For tools and tests that alter a plan file's bytes in place.
#pragma once
#include <cstddef>
#include <span>

namespace corolla::plan {

// Makes the checksums of a plan file right again, as far as its parts can be found.
void seal_plan(std::span<std::byte> file);

}  // namespace corolla::plan
