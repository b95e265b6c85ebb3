#include "fleet/log_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace corolla::fleet {
namespace {

using ::testing::ElementsAre;

TEST(LogStore, KeepsTheLastLines) {
  LogStore store(3);
  for (const char* line : {"a", "b", "c", "d"}) store.add(line);
  EXPECT_THAT(store.last(10), ElementsAre("b", "c", "d"));
  EXPECT_THAT(store.last(1), ElementsAre("d"));
}

TEST(LogStore, KeepsNoMoreThanItsBytes) {
  LogStore store(1000, 10);
  for (int i = 0; i < 100; ++i) store.add("12345");
  EXPECT_EQ(store.last(1000).size(), 2u);
}

TEST(LogStore, FollowersSeeNewLinesUntilTheyLeave) {
  LogStore store;
  std::vector<std::string> seen;
  store.add("before");
  const uint64_t id = store.follow([&](const std::string& line) { seen.push_back(line); });
  store.add("during");
  store.unfollow(id);
  store.add("after");
  EXPECT_THAT(seen, ElementsAre("during"));
}

TEST(LineSplitter, CutsWhereLinesEndHoweverTheBytesCome) {
  for (size_t step : {1u, 2u, 3u, 100u}) {
    LineSplitter splitter;
    std::vector<std::string> lines;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    const std::string text = "one\n\ntwo three\nrest";
    for (size_t at = 0; at < text.size(); at += step) splitter.feed(text.substr(at, step), take);
    EXPECT_THAT(lines, ElementsAre("one", "", "two three"));
    splitter.finish(take);
    EXPECT_EQ(lines.back(), "rest");
  }
}

TEST(LineSplitter, ALineWithoutEndIsCut) {
  LineSplitter splitter;
  size_t bytes = 0;
  for (int i = 0; i < 100; ++i)
    splitter.feed(std::string(1000, 'x'), [&](std::string_view line) {
      EXPECT_LE(line.size(), LineSplitter::kLongestLine);
      bytes += line.size();
    });
  EXPECT_GE(bytes, 100000 - LineSplitter::kLongestLine);
}

}  // namespace
}  // namespace corolla::fleet
