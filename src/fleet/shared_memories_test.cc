#include "fleet/shared_memories.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using Answer = SharedMemories::Answer;
using testing::ElementsAre;
using testing::IsEmpty;

Fd some_descriptor() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) != -1; }

TEST(SharedMemories, TheFirstMakesItAndLaterOnesGetIt) {
  SharedMemories memories;
  EXPECT_THAT(memories.want(1, "w"), ElementsAre(Answer{1, "w"}));
  Fd made = some_descriptor();
  const int number = made.get();
  EXPECT_THAT(memories.made(1, "w", std::move(made)), IsEmpty());
  EXPECT_THAT(memories.want(2, "w"), ElementsAre(Answer{2, "w", number}));
  EXPECT_THAT(memories.want(3, "other"), ElementsAre(Answer{3, "other"}));
}

TEST(SharedMemories, ThoseWhoComeWhileItIsMadeWaitForIt) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  EXPECT_THAT(memories.want(2, "w"), IsEmpty());
  EXPECT_THAT(memories.want(3, "w"), IsEmpty());
  Fd made = some_descriptor();
  const int number = made.get();
  EXPECT_THAT(memories.made(1, "w", std::move(made)),
              ElementsAre(Answer{2, "w", number}, Answer{3, "w", number}));
}

TEST(SharedMemories, WhenTheMakerDiesTheNextInLineMakesIt) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  (void)memories.want(2, "w");
  (void)memories.want(3, "w");
  EXPECT_THAT(memories.gone(2), IsEmpty());
  EXPECT_THAT(memories.gone(1), ElementsAre(Answer{3, "w"}));
  EXPECT_THAT(memories.made(1, "w", some_descriptor()), IsEmpty()) << "of one that is no maker";
  EXPECT_THAT(memories.want(4, "w"), IsEmpty()) << "what the dead one made is not passed on";
}

TEST(SharedMemories, WhenItCannotBeMadeTheNextInLineTries) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  (void)memories.want(2, "w");
  EXPECT_THAT(memories.made(1, "w", Fd()), ElementsAre(Answer{2, "w"}));
  EXPECT_THAT(memories.made(2, "w", Fd()), IsEmpty());
  EXPECT_EQ(memories.size(), 0u);
}

TEST(SharedMemories, LivesWithoutItsMakerAndGoesWithItsLastUser) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  Fd made = some_descriptor();
  const int number = made.get();
  (void)memories.made(1, "w", std::move(made));
  (void)memories.want(2, "w");
  (void)memories.gone(1);
  EXPECT_TRUE(is_open(number));
  EXPECT_THAT(memories.want(3, "w"), ElementsAre(Answer{3, "w", number}));
  (void)memories.drop(2, "w");
  EXPECT_TRUE(is_open(number));
  (void)memories.gone(3);
  EXPECT_FALSE(is_open(number));
  EXPECT_EQ(memories.size(), 0u);
}

TEST(SharedMemories, IsDroppedAsOftenAsItWasWanted) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  (void)memories.made(1, "w", some_descriptor());
  (void)memories.want(1, "w");
  (void)memories.drop(1, "w");
  EXPECT_EQ(memories.size(), 1u);
  (void)memories.drop(1, "w");
  EXPECT_EQ(memories.size(), 0u);
  EXPECT_THAT(memories.drop(1, "w"), IsEmpty()) << "once too often";
}

TEST(SharedMemories, OneWhoHasWaitedTooLongGetsNothing) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  (void)memories.want(2, "w");
  EXPECT_THAT(memories.drop(2, "w"), IsEmpty());
  EXPECT_THAT(memories.made(1, "w", some_descriptor()), IsEmpty());
  (void)memories.drop(1, "w");
  EXPECT_EQ(memories.size(), 0u);
}

TEST(SharedMemories, AMakerThatDropsLeavesItToTheNext) {
  SharedMemories memories;
  (void)memories.want(1, "w");
  (void)memories.want(2, "w");
  EXPECT_THAT(memories.drop(1, "w"), ElementsAre(Answer{2, "w"}));
}

TEST(SharedMemories, AWorkerThatWantsTooManyKeepsItsOwn) {
  SharedMemories memories;
  for (size_t i = 0; i < SharedMemories::kMostOfAWorker; ++i)
    (void)memories.want(1, "w" + std::to_string(i));
  EXPECT_THAT(memories.want(1, "more"), ElementsAre(Answer{1, "more"}));
  EXPECT_EQ(memories.size(), SharedMemories::kMostOfAWorker);
  EXPECT_THAT(memories.want(2, "more"), ElementsAre(Answer{2, "more"}));
}

}  // namespace
}  // namespace corolla::fleet
