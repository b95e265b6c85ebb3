#include "load/report.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "load/delay_server.h"
#include "load/report_data.h"
#include "load/sweep.h"

namespace corolla::load {
namespace {

namespace fs = std::filesystem;

class ReportTest : public testing::Test {
 protected:
  ReportTest() {
    char name[] = "/tmp/corolla_report_XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ReportTest() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

// As perf_client 2.40 writes it.
constexpr const char* kTheirs =
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server "
    "Compute Input,Server Compute Infer,"
    "Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency\n"
    "2,9820.46,46,82,55,0,18,0,0,189,261,290,358\n"
    "1,2931.76,28,293,9,0,8,0,0,102,142,516,7042\n";

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; ++at) ++n;
  return n;
}

TEST_F(ReportTest, ReadsPerfClientsCsv) {
  const auto series = read_series(write("a.csv", kTheirs), "theirs");
  ASSERT_TRUE(series.ok()) << series.error().what;
  ASSERT_EQ(series->points.size(), 2u);
  EXPECT_EQ(series->points[0].level, 1);  // sorted by load, not by throughput
  EXPECT_EQ(series->points[1].latency_us.at(99), 358);
  EXPECT_EQ(series->points[1].parts_us.at("queue"), 55);
}

TEST_F(ReportTest, BrokenCsvsAreOneSentence) {
  const auto message = [&](const std::string& text) {
    return read_series(write("b.csv", text), "x").error().what;
  };
  EXPECT_NE(message("").find("is empty"), std::string::npos);
  EXPECT_NE(message("Concurrency,p50 latency\n1,2\n").find("no column 'Inferences/Second'"),
            std::string::npos);
  EXPECT_NE(message("Concurrency,Inferences/Second\n1\n").find(":2 has 1 cells"),
            std::string::npos);
  std::string text = kTheirs;
  text.replace(text.find("9820.46"), 7, "quickly");
  EXPECT_NE(message(text).find("'quickly' in column 'Inferences/Second'"), std::string::npos);
  EXPECT_NE(message(std::string(kTheirs).substr(0, std::string(kTheirs).find('\n') + 1))
                .find("no measurement"),
            std::string::npos);
  ReportInput input;
  EXPECT_EQ(add_measurements(folder_ + "/nothing", false, input).error().code, Code::kNotFound);
  fs::create_directories(folder_ + "/empty");
  EXPECT_EQ(add_measurements(folder_ + "/empty", false, input).error().code, Code::kNotFound);
  write("m/manifest.json", "{");
  EXPECT_FALSE(add_measurements(folder_ + "/m", false, input).ok());
}

TEST_F(ReportTest, NamesTheLargestLoadWithinTheBudget) {
  ReportInput input;
  input.budget = std::chrono::milliseconds(50);
  for (int slices = 1; slices <= 3; ++slices) {
    Series series;
    series.name = std::to_string(slices) + " slices";
    series.slices = slices;
    for (int c = 1; c <= 60; ++c) {
      Point p;
      p.level = c;
      p.throughput = std::min(c * 30, slices * 300);
      p.latency_us = {{50, 1000.0 * c / slices},
                      {90, 1100.0 * c / slices},
                      {95, 1200.0 * c / slices},
                      {99, 1350.0 * c / slices}};
      p.slices = {{"0", 10}, {"1", 10}};
      series.points.push_back(p);
    }
    input.series.push_back(series);
  }
  const std::string html = report_html(input);
  // p99 is 1.35 ms * c / slices: 37 outstanding on one slice are 49.95 ms; the throughput no longer
  // grows after 10.
  EXPECT_NE(html.find("With 1 slices, 10 outstanding (300/s)"), std::string::npos);
  EXPECT_NE(html.find("with 3 slices, 30 outstanding (900/s)"), std::string::npos);
  EXPECT_NE(html.find("budget 50 ms"), std::string::npos);
  // Every chart has its table, nothing comes from elsewhere.
  EXPECT_EQ(count(html, "<figure>"), count(html, "<table>"));
  EXPECT_EQ(count(html, "<figure>"), count(html, "<svg "));
  EXPECT_EQ(count(html, "http"), count(html, "http://www.w3.org/2000/svg"));
  EXPECT_EQ(count(html, "<script"), 0u);
  EXPECT_NE(html.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_NE(html.find("@media print"), std::string::npos);
  EXPECT_NE(html.find("Work done by each slice"), std::string::npos);
}

TEST_F(ReportTest, TextFromFilesCannotBecomeMarkup) {
  ReportInput input;
  input.title = "<b>&\"";
  input.notes = {{"host", "<script>"}};
  Series series;
  series.name = "<i>";
  series.points.push_back({});
  input.series.push_back(series);
  const std::string html = report_html(input);
  EXPECT_EQ(count(html, "<script"), 0u);
  EXPECT_EQ(count(html, "<i>"), 0u);
  EXPECT_NE(html.find("&lt;b&gt;&amp;&quot;"), std::string::npos);
}

TEST_F(ReportTest, NothingMeasuredIsStillAPage) {
  EXPECT_NE(report_html({}).find("</html>"), std::string::npos);
}

TEST_F(ReportTest, ASweepGoesOnWhereItStopped) {
  auto server = *DelayServer::start({});
  SweepOptions options;
  options.perf.model = "null";
  options.perf.urls = {server->address().text};
  options.perf.window = std::chrono::milliseconds(50);
  options.perf.stability.percentage = 1000;
  options.perf.budget = std::chrono::milliseconds(20);
  options.concurrency = {1, 3, 1};
  options.slices = {1, 2};
  options.folder = folder_ + "/sweep";
  options.name = "test";
  std::vector<int> scaled;
  options.scale = [&](int n) {
    scaled.push_back(n);
    return ok();
  };
  // Interrupted after the second point.
  class Stopper : public SweepObserver {
   public:
    int points = 0, stop_after = 2;
    std::atomic<bool> stop = false;
    void finished(const PerfRow&, const PerfResult&) override { stop = ++points == stop_after; }
  } observer;
  const auto first = sweep(options, observer, observer.stop);
  ASSERT_TRUE(first.ok()) << first.error().what;
  EXPECT_FALSE(*first);
  observer.stop = false;
  observer.stop_after = -1;
  const auto second = sweep(options, observer, observer.stop);
  ASSERT_TRUE(second.ok()) << second.error().what;
  EXPECT_TRUE(*second);
  EXPECT_EQ(observer.points, 6);  // two and four: nothing twice
  EXPECT_EQ(scaled, (std::vector<int>{1, 1, 2}));

  ReportInput input;
  ASSERT_TRUE(add_measurements(options.folder, false, input).ok());
  ASSERT_EQ(input.series.size(), 2u);
  EXPECT_EQ(input.series[1].name, "2 slices");
  EXPECT_EQ(input.series[1].points.size(), 3u);
  EXPECT_EQ(input.budget, std::chrono::milliseconds(20));
  EXPECT_GT(input.series[0].points[0].distribution.size(), 5u);
}

}  // namespace
}  // namespace corolla::load
