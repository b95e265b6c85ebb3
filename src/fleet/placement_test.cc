#include "fleet/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using ::testing::ElementsAre;
using Models = std::optional<std::vector<std::string>>;
const Models kAll = std::vector<std::string>();

std::vector<SliceLabels> cores(size_t count) {
  return std::vector<SliceLabels>(count, {"", "cores:1", "cores"});
}
ModelPlace count(uint32_t count) { return {{}, count}; }

TEST(Placement, WithoutPlacesEverySliceServesAll) {
  EXPECT_THAT(place_models(cores(2), {"a", "b"}, {}), ElementsAre(kAll, kAll));
  EXPECT_THAT(place_models(cores(1), {}, {}), ElementsAre(kAll));
}

TEST(Placement, TheFirstSlicesServeAModelThatIsCounted) {
  EXPECT_THAT(place_models(cores(3), {"a", "b"}, {{"a", count(1)}, {"b", count(2)}}),
              ElementsAre(kAll, Models({{"b"}}), std::nullopt));
}

TEST(Placement, AModelThatIsNotCountedIsEverywhere) {
  EXPECT_THAT(place_models(cores(2), {"a", "b"}, {{"a", count(1)}}),
              ElementsAre(kAll, Models({{"b"}})));
  EXPECT_THAT(place_models(cores(1), {"a", "b"}, {{"a", count(0)}}), ElementsAre(Models({{"b"}})));
  EXPECT_THAT(place_models(cores(1), {"a"}, {{"a", count(0)}}), ElementsAre(std::nullopt));
}

TEST(Placement, APlaceForAModelThatIsGoneChangesNothing) {
  EXPECT_THAT(place_models(cores(1), {"a"}, {{"gone", count(0)}}), ElementsAre(kAll));
}

TEST(Placement, AModelGoesOnlyWhereItMay) {
  const std::vector<SliceLabels> slices = {{"big", "mps:50", "mps"},
                                           {"small", "mps:25", "mps"},
                                           {"small", "mps:25", "mps"},
                                           {"", "cores:4", "cores"}};
  const auto where = [&](const ModelPlace& place) {
    std::string text;
    for (const auto& models : place_models(slices, {"a", "b"}, {{"a", place}}))
      text += models == kAll ? 'a' : '-';
    return text;
  };
  EXPECT_EQ(where({{"big"}, {}}), "a---");
  EXPECT_EQ(where({{"mps:25"}, {}}), "-aa-");
  EXPECT_EQ(where({{"mps:25"}, 1}), "-a--") << "the first of those it may go on";
  EXPECT_EQ(where({{"mps"}, 2}), "aa--");
  EXPECT_EQ(where({{"cores", "big"}, {}}), "a--a");
  EXPECT_EQ(where({{"nowhere"}, {}}), "----");
  EXPECT_EQ(where({{""}, {}}), "----") << "an empty word is nobody's name";
  EXPECT_EQ(eligible(slices, {"mps"}), 3u);
  EXPECT_EQ(eligible(slices, {}), 4u);
}

}  // namespace
}  // namespace corolla::fleet
