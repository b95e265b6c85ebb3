#include "load/perf_output.h"

#include <gtest/gtest.h>

#include <sstream>

namespace corolla::load {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> out;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) out.push_back(cell);
  return out;
}

PerfRow row_of(double concurrency, double throughput) {
  PerfRow row;
  row.level.value = concurrency;
  row.inferences_per_second = row.goodput = throughput;
  row.send_us = 85.9;
  row.recv_us = 0.4;
  row.server = ServerTimes{78.2, 0, 28.9, 0};
  for (int i = 1; i <= 100; ++i) row.latency.add(i * 10'000 + 700);
  row.answered = 100;
  row.seconds = 3;
  row.stable = true;
  return row;
}

// Byte for byte what perf_client 2.40 wrote.
constexpr const char* kTheirs =
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server "
    "Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 "
    "latency,p99 latency";

TEST(PerfCsv, BeginsWithPerfClientsColumns) {
  const std::string csv = perf_csv({row_of(1, 1176.4444)}, false);
  EXPECT_TRUE(csv.starts_with(std::string(kTheirs) + ","));
  const auto cells = split(csv.substr(csv.find('\n') + 1));
  EXPECT_EQ(std::vector<std::string>(cells.begin(), cells.begin() + 13),
            (std::vector<std::string>{"1", "1176.44", "85", "312", "78", "0", "28", "0", "0", "510",
                                      "900", "950", "990"}));
  EXPECT_EQ(split(csv.substr(0, csv.find('\n'))).size(), cells.size());
}

TEST(PerfCsv, RowsAreSortedByThroughput) {
  const std::string csv = perf_csv({row_of(1, 300), row_of(2, 100), row_of(3, 200)}, false);
  std::stringstream lines(csv);
  std::string line, order;
  std::getline(lines, line);
  while (std::getline(lines, line)) order += line[0];
  EXPECT_EQ(order, "231");
}

TEST(PerfCsv, FollowsTheModeAndTheOptions) {
  PerfRow row = row_of(50, 50);
  row.level.kind = LoadLevel::Kind::kRate;
  EXPECT_TRUE(perf_csv({row}, false).starts_with("Request Rate,"));
  row.server.reset();
  EXPECT_TRUE(
      perf_csv({row}, false)
          .starts_with("Request Rate,Inferences/Second,Client Send,Client Recv,p50 latency"));
  EXPECT_NE(
      perf_csv({row}, true, 97)
          .find("p99 latency,p97 latency,Avg latency,request/response,response wait,p99.9 latency"),
      std::string::npos);
}

TEST(PerfCsv, ErrorsAreToldByCode) {
  PerfRow row = row_of(1, 10);
  row.errors = {{Code::kOverloaded, 2}, {Code::kUnavailable, 5}};
  row.failed = 7;
  EXPECT_EQ(errors_text(row.errors), "OVERLOADED:2;UNAVAILABLE:5");
  EXPECT_NE(perf_csv({row}, false).find(",7,OVERLOADED:2;UNAVAILABLE:5,"), std::string::npos);
}

TEST(WriteFile, SaysWhereItCouldNot) {
  const Status status = write_file("/no/such/folder/x.csv", "a");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().what.find("/no/such/folder/x.csv"), std::string::npos);
}

}  // namespace
}  // namespace corolla::load
