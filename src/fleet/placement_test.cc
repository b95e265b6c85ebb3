#include "fleet/placement.h"

#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using Models = std::optional<std::vector<std::string>>;
const Models kAll = std::vector<std::string>();

TEST(Placement, WithoutCountsEverySliceServesAll) {
  EXPECT_EQ(models_of_slice(0, {"a", "b"}, {}), kAll);
  EXPECT_EQ(models_of_slice(7, {}, {}), kAll);
}

TEST(Placement, TheFirstSlicesServeAModelThatIsCounted) {
  const std::vector<std::string> known = {"a", "b"};
  const std::map<std::string, uint32_t> counts = {{"a", 1}, {"b", 2}};
  EXPECT_EQ(models_of_slice(0, known, counts), kAll);  // both: that is all of them
  EXPECT_EQ(models_of_slice(1, known, counts), Models({{"b"}}));
  EXPECT_EQ(models_of_slice(2, known, counts), std::nullopt);
}

TEST(Placement, AModelThatIsNotCountedIsEverywhere) {
  EXPECT_EQ(models_of_slice(5, {"a", "b"}, {{"a", 1}}), Models({{"b"}}));
  EXPECT_EQ(models_of_slice(0, {"a", "b"}, {{"a", 0}}), Models({{"b"}}));
  EXPECT_EQ(models_of_slice(0, {"a"}, {{"a", 0}}), std::nullopt);
}

TEST(Placement, ACountForAModelThatIsGoneChangesNothing) {
  EXPECT_EQ(models_of_slice(3, {"a"}, {{"gone", 1}}), kAll);
}

}  // namespace
}  // namespace corolla::fleet
