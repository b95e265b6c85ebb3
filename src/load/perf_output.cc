#include "load/perf_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "client/json_text.h"

namespace corolla::load {
namespace {

// perf_client prints whole microseconds, truncated.
std::string whole(double us) { return std::to_string(static_cast<int64_t>(std::max(0.0, us))); }

std::string number(double value, int digits = 6) {
  char text[40];
  snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::string fixed(double value, int digits) {
  char text[40];
  snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

bool rates(const std::vector<PerfRow>& rows) {
  return !rows.empty() && rows.front().level.kind == LoadLevel::Kind::kRate;
}

double network_us(const PerfRow& row) {
  const ServerTimes& server = *row.server;
  return row.latency.mean() / 1000 - row.send_us - row.recv_us - server.queue -
         server.compute_input - server.compute_infer - server.compute_output;
}

std::string slices_text(const PerfRow& row) {
  std::string out;
  for (const auto& [slice, rate] : row.slices)
    out += (out.empty() ? "" : ";") + slice + ":" + fixed(rate, 2);
  return out;
}

std::string level_name(const PerfRow& row) {
  return row.level.kind == LoadLevel::Kind::kRate ? "Request Rate" : "Concurrency";
}

}  // namespace

std::string errors_text(const std::map<Code, uint64_t>& errors) {
  std::string out;
  for (const auto& [code, count] : errors)
    out += (out.empty() ? "" : ";") + std::string(code_name(code)) + ":" + std::to_string(count);
  return out;
}

std::string perf_csv(const std::vector<PerfRow>& rows, bool verbose,
                     std::optional<double> percentile) {
  std::vector<const PerfRow*> sorted;
  for (const PerfRow& row : rows) sorted.push_back(&row);
  std::stable_sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) {
    return a->inferences_per_second < b->inferences_per_second;
  });
  const bool server =
      std::all_of(rows.begin(), rows.end(), [](auto& row) { return row.server.has_value(); });
  std::string out = rates(rows) ? "Request Rate" : "Concurrency";
  out += ",Inferences/Second,Client Send,";
  if (server)
    out +=
        "Network+Server Send/Recv,Server Queue,Server Compute Input,Server Compute Infer,Server "
        "Compute Output,";
  out += "Client Recv";
  const std::vector<double> usual = {50, 90, 95, 99};
  for (const double p : usual) out += ",p" + number(p) + " latency";
  const bool another =
      percentile && std::find(usual.begin(), usual.end(), *percentile) == usual.end();
  if (another) out += ",p" + number(*percentile) + " latency";
  if (verbose) out += ",Avg latency,request/response,response wait";
  // perf_client's columns end here.
  if (!another || *percentile != 99.9) out += ",p99.9 latency";
  out +=
      ",Max latency,Errors,Errors by code,Goodput/Second,Lateness p99,Client CPU/Request,Server "
      "CPU/Request,"
      "Busiest Client Thread,Stable,Generator Bottleneck,Throughput CI low,Throughput CI high,p50 "
      "CI low,p50 CI high,"
      "p99 CI low,p99 CI high,Batch,Seconds,Requests,Inferences/Second by slice\n";
  for (const PerfRow* row : sorted) {
    out += number(row->level.value, 10) + "," + number(row->inferences_per_second) + "," +
           whole(row->send_us) + ",";
    if (server)
      out += whole(network_us(*row)) + "," + whole(row->server->queue) + "," +
             whole(row->server->compute_input) + "," + whole(row->server->compute_infer) + "," +
             whole(row->server->compute_output) + ",";
    out += whole(row->recv_us);
    for (const double p : usual) out += "," + whole(row->us(p));
    if (another) out += "," + whole(row->us(*percentile));
    const double mean = row->latency.mean() / 1000;
    if (verbose)
      out += "," + whole(mean) + "," + whole(row->send_us + row->recv_us) + "," +
             whole(mean - row->send_us - row->recv_us);
    if (!another || *percentile != 99.9) out += "," + whole(row->us(99.9));
    out += "," + whole(static_cast<double>(row->latency.max()) / 1000) + "," +
           std::to_string(row->failed) + "," + errors_text(row->errors) + "," +
           number(row->goodput) + "," +
           fixed(static_cast<double>(row->lateness.percentile(99)) / 1000, 1) + "," +
           fixed(row->client_cpu_us, 1) + "," +
           (row->server_cpu_us ? fixed(*row->server_cpu_us, 1) : "") + "," +
           fixed(row->busiest_thread, 3) + "," + (row->stable ? "1" : "0") + "," +
           (row->generator_fault.empty() ? "0" : "1");
    if (row->confidence) {
      const Intervals& ci = *row->confidence;
      const auto batch = static_cast<double>(row->batch);
      out += "," + number(ci.throughput.low * batch) + "," + number(ci.throughput.high * batch) +
             "," + whole(ci.p50.low / 1000) + "," + whole(ci.p50.high / 1000) + "," +
             whole(ci.p99.low / 1000) + "," + whole(ci.p99.high / 1000);
    } else {
      out += ",,,,,,";
    }
    out += "," + std::to_string(row->batch) + "," + fixed(row->seconds, 3) + "," +
           std::to_string(row->answered + row->failed) + "," + slices_text(*row) + "\n";
  }
  return out;
}

std::string perf_text(const PerfRow& row, const PerfOptions& options) {
  const bool rate = row.level.kind == LoadLevel::Kind::kRate;
  std::string out = (rate ? "Request Rate: " : "Request concurrency: ") +
                    number(row.level.value, 10) + (rate ? " inference requests per seconds" : "") +
                    "\n  Client: \n";
  const auto line = [&out](const std::string& text) { out += "    " + text + "\n"; };
  const auto us = [](double value) { return whole(value) + " usec"; };
  line("Request count: " + std::to_string(row.answered));
  line("Throughput: " + number(row.inferences_per_second) + " infer/sec" +
       (row.confidence
            ? " (95 %: " +
                  number(row.confidence->throughput.low * static_cast<double>(row.batch), 5) +
                  " to " +
                  number(row.confidence->throughput.high * static_cast<double>(row.batch), 5) + ")"
            : ""));
  line("Avg latency: " + us(row.latency.mean() / 1000) +
       (rate ? ", counted from when each request was due" : ""));
  for (const double p : {50.0, 90.0, 95.0, 99.0, 99.9})
    line("p" + number(p) + " latency: " + us(row.us(p)));
  line("Max latency: " + us(static_cast<double>(row.latency.max()) / 1000));
  const double mean = row.latency.mean() / 1000;
  line(std::string("Avg ") + (options.protocol == wire::Protocol::kHttp ? "HTTP" : "gRPC") +
       " time: " + us(mean) + " (send/recv " + us(row.send_us + row.recv_us) + " + response wait " +
       us(mean - row.send_us - row.recv_us) + ")");
  if (row.failed > 0)
    line("Failed: " + std::to_string(row.failed) + " (" + errors_text(row.errors) + ")");
  if (options.budget || options.stability.latency_threshold)
    line("Within the budget: " + number(row.goodput) + " infer/sec");
  if (rate)
    line("Requests left late by: p99 " +
         us(static_cast<double>(row.lateness.percentile(99)) / 1000));
  line("CPU a request: client " + us(row.client_cpu_us) +
       (row.server_cpu_us ? ", server " + us(*row.server_cpu_us) : ""));
  if (row.server) {
    out += "  Server: \n";
    line("queue " + us(row.server->queue) + " + compute input " + us(row.server->compute_input) +
         " + compute infer " + us(row.server->compute_infer) + " + compute output " +
         us(row.server->compute_output));
  }
  if (!row.slices.empty()) line("Inferences a second by slice: " + slices_text(row));
  for (const auto& [name, value] : row.gauges) line(name + ": " + number(value));
  if (!row.stable)
    line("Not stable: the windows differ by more than " + number(options.stability.percentage) +
         " %");
  if (!row.generator_fault.empty())
    line("NOT VALID: the generator itself was the bottleneck: " + row.generator_fault);
  return out;
}

std::string perf_summary(const std::vector<PerfRow>& rows) {
  std::string out = "Inferences/Second vs. Client Average Batch Latency\n";
  for (const PerfRow& row : rows)
    out += level_name(row) + ": " + number(row.level.value, 10) +
           ", throughput: " + number(row.inferences_per_second) + " infer/sec, latency " +
           whole(row.latency.mean() / 1000) + " usec\n";
  return out;
}

std::string perf_export(const PerfResult& result, const PerfOptions& options) {
  std::string out = "{\"experiments\":[";
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const PerfRow& row = result.rows[i];
    if (i > 0) out += ',';
    out += std::string("{\"experiment\":{\"mode\":\"") +
           (row.level.kind == LoadLevel::Kind::kRate ? "request_rate" : "concurrency") +
           "\",\"value\":" + number(row.level.value, 10) + "},\"requests\":[";
    bool first = true;
    for (const Sample& sample : result.samples[i]) {
      if (!first) out += ',';
      first = false;
      out += "{\"timestamp\":" + std::to_string(sample.due) + ",\"response_timestamps\":[" +
             std::to_string(sample.done) + "],\"sent\":" + std::to_string(sample.sent) +
             ",\"success\":" + (sample.ok() ? "true" : "false") + "}";
    }
    out += "],\"window_boundaries\":[]}";
  }
  return out + "],\"version\":\"corolla\",\"service_kind\":\"triton\",\"endpoint\":" +
         client::json_string(options.urls.empty() ? "" : options.urls.front()) + "}\n";
}

Status write_file(const std::string& path, std::string_view text) {
  const std::string part = path + ".part" + std::to_string(getpid());
  std::ofstream file(part, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file || rename(part.c_str(), path.c_str()) != 0) {
    const std::string reason = strerror(errno);
    unlink(part.c_str());
    return Error{Code::kPermission, "cannot write '" + path + "': " + reason};
  }
  return ok();
}

}  // namespace corolla::load
