#include "yaml/nearest.h"

#include <gtest/gtest.h>

namespace corolla::yaml {
namespace {

const std::vector<std::string> kKnown = {"slices", "models", "models_dir", "limits", "tls"};

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("slice", kKnown), "slices");
  EXPECT_EQ(nearest("silces", kKnown), "slices");
  EXPECT_EQ(nearest("model_dir", kKnown), "models_dir");
  EXPECT_EQ(nearest("tsl", kKnown), "tls");
}

TEST(Nearest, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(nearest("replicas", kKnown), "");
  EXPECT_EQ(nearest("", kKnown), "");
  EXPECT_EQ(nearest(std::string(100000, 's'), kKnown), "");
  EXPECT_EQ(suggestion("replicas", kKnown), "known are: slices, models, models_dir, limits, tls");
}

}  // namespace
}  // namespace corolla::yaml
