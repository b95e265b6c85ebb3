#include "fleet/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fleet/fleet_slices.h"

namespace corolla::fleet {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Result<FleetConfig> read(std::string_view text, const FleetConfig& base = {}) {
  return read_config(text, "f.yaml", "/home/rose", base);
}

std::string refusal(std::string_view text) {
  const auto config = read(text);
  return config.ok() ? "(accepted)" : config.error().what;
}

TEST(Config, AnEmptyFileMeansTheDefaults) {
  EXPECT_EQ(*read(""), FleetConfig());
  EXPECT_EQ(*read("# nothing\n---\n"), FleetConfig());
  EXPECT_EQ(*read("listen:\nmodels:\n"), FleetConfig());
}

TEST(Config, ReadsEveryKey) {
  const auto config = read(R"(
name: garden
listen: {address: 0.0.0.0, http: 9000, grpc: "[::1]:9001", metrics: off, any: 50050}
models_dir: my/models
models:
  flower: {slices: 2, image: u8, versions: [1, 3], parameters: {mean: 0.5}}
  rose:
slices: {cores: [4, 1, 1]}
engine: {name: openvino, options: {precision: f32}}
limits:
  arena: 1GiB
  replies: 32 MiB
  io_threads: 3
  connections: 100
  header: 16K
  body: 1000000
  header_timeout: 5s
  body_timeout: 1m
  idle_timeout: 1h
  queue: 10
  hang_timeout: 1500ms
  shm_lease_check: 500ms
  client_shm: /triton_
tls: {certificate: cert.pem, key: /etc/key.pem}
cache: ../cache
drain: 3s
quit: 500ms
restart: {first_delay: 50ms, longest_delay: 2s, settled: 20s, crashes: 3, window: 30s}
log: {format: json, level: debug}
)");
  ASSERT_TRUE(config.ok()) << config.error().what;
  EXPECT_EQ(config->name, "garden");
  EXPECT_EQ(config->listen.at("http").text(), "0.0.0.0:9000");
  EXPECT_EQ(config->listen.at("grpc").text(), "[::1]:9001");
  EXPECT_EQ(config->listen.at("any").text(), "0.0.0.0:50050");
  EXPECT_FALSE(config->listen.contains("metrics"));
  EXPECT_EQ(config->models_dir, "/home/rose/my/models");
  EXPECT_EQ(config->models.at("flower").slices, 2u);
  EXPECT_THAT(config->models.at("flower").versions, ElementsAre(1, 3));
  EXPECT_EQ(config->models.at("flower").parameters.at("image"), "u8");
  EXPECT_EQ(config->models.at("flower").parameters.at("mean"), "0.5");
  EXPECT_EQ(config->models.at("rose"), ModelWish());
  EXPECT_THAT(config->slices, ElementsAre(SliceEntry{{"cores", {4, 1, 1}, "", 0, 0, {}}, "", {}}));
  EXPECT_EQ(config->engine_options.at("precision"), "f32");
  EXPECT_EQ(config->limits.arena_bytes, 1ull << 30);
  EXPECT_EQ(config->limits.reply_bytes, 32ull << 20);
  EXPECT_EQ(config->limits.header_bytes, 16u << 10);
  EXPECT_EQ(config->limits.body_bytes, 1000000u);
  EXPECT_EQ(config->limits.idle_timeout, std::chrono::hours(1));
  EXPECT_TRUE(config->limits.client_shm);
  EXPECT_EQ(config->limits.client_shm_prefix, "triton_");
  EXPECT_EQ(config->limits.hang_timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(config->certificate_file, "/home/rose/cert.pem");
  EXPECT_EQ(config->key_file, "/etc/key.pem");
  EXPECT_EQ(config->cache_dir, "/home/cache");
  EXPECT_EQ(config->drain_limit, std::chrono::seconds(3));
  EXPECT_EQ(config->restart.crash_limit, 3);
  EXPECT_TRUE(config->log_json);
  EXPECT_EQ(config->log_level, log::Level::kDebug);
}

TEST(Config, AnEngineOptionMayHoldACommandLine) {
  const std::string command = "tritonserver --http-port={http_port} --log-verbose=0,1";
  const auto config = read("engine: {name: external, options: {command: \"" + command + "\"}}\n");
  ASSERT_TRUE(config.ok()) << config.error().what;
  EXPECT_EQ(config->engine_options.at("command"), command);
  EXPECT_THAT(read("engine: {name: external, options: {\"a,b\": c}}\n").error().what,
              HasSubstr("no name of an option"));
}

TEST(Config, WhatTheTextDoesNotSayStaysAsInTheBase) {
  FleetConfig base;
  base.engine = "null";
  base.listen["http"].port = 1;
  const auto config = read("listen: {grpc: 2}\n", base);
  EXPECT_EQ(config->engine, "null");
  EXPECT_EQ(config->listen.at("http").port, 1);
  EXPECT_EQ(config->listen.at("grpc").port, 2);
}

// One sentence, with the line, the key and what to do.
TEST(Config, RefusesWithTheLineAndTheReason) {
  const struct {
    const char* text;
    const char* sentence;
  } kCases[] = {
      {"slice: 2", "f.yaml:1: unknown key 'slice'; did you mean 'slices'?"},
      {"\n\nlimits:\n  arean: 1GiB\n",
       "f.yaml:4: limits: unknown key 'arean'; did you mean 'arena'?"},
      {"replicas: 2",
       "f.yaml:1: unknown key 'replicas'; known are: name, listen, models_dir, models, slices, "
       "engine, limits, tls, cache, drain, quit, restart, log"},
      {"name: a\nengine: b\nname: c\n",
       "f.yaml:3: the key 'name' stands here twice; the first is in line 1"},
      {"models:\n  rose: {}\n  rose: {}\n",
       "f.yaml:3: models: the key 'rose' stands here twice; the first is in line 2"},
      {"listen:\n\thttp: 80\n",
       "f.yaml:2: the line begins with a tab; YAML is indented with spaces"},
      {"listen: {http: 65536}",
       "f.yaml:1: listen.http: '65536' is no port: write a number from 0 (any free one) to 65535, "
       "or off"},
      {"listen: {http: -1}",
       "f.yaml:1: listen.http: '-1' is no port: write a number from 0 (any free one) to 65535, or "
       "off"},
      {"listen: {http: example.org:80}",
       "f.yaml:1: listen.http: 'example.org' is no numeric address; write for example 8000, "
       "0.0.0.0:8000 or [::1]:8000"},
      {"listen: {http: 8001}",
       "f.yaml:1: listen: port 8001 is asked for by grpc and by http; give each its own ('any' "
       "takes HTTP and gRPC on one port)"},
      {"listen: 8000", "f.yaml:1: listen: should be a mapping of keys to values, and is '8000'"},
      {"limits: {queue: many}",
       "f.yaml:1: limits.queue: should be a whole number from 1 to 1000000, and is 'many'"},
      {"limits: {queue: 1.5}",
       "f.yaml:1: limits.queue: should be a whole number from 1 to 1000000, and is '1.5'"},
      {"limits: {arena: 10 apples}",
       "f.yaml:1: limits.arena: should be a size from 1MiB to 1024GiB, such as 64MiB, and is '10 "
       "apples'"},
      {"limits: {arena: 99999999999GiB}",
       "f.yaml:1: limits.arena: should be a size from 1MiB to 1024GiB, such as 64MiB, and is "
       "'99999999999GiB'"},
      {"limits: {arena: 1MiB}",
       "f.yaml:1: limits: body (134217728 bytes) is larger than arena (1048576 bytes), where each "
       "request must fit"},
      {"drain: 10",
       "f.yaml:1: drain: should be a time from 0s to 86400s with its unit, such as 500ms or 10s, "
       "and is '10'"},
      {"models: [flower]",
       "f.yaml:1: models: should be a mapping of keys to values, and is a list"},
      {"models: {flower: {image: u9}}",
       "f.yaml:1: models.flower.image: should be u8, encoded or off, and is 'u9'; did you mean "
       "'u8'?"},
      {"slices: {cores: []}",
       "f.yaml:1: slices.cores: should be a list with the size of each slice, such as [1, 1], or "
       "2x1, and is a list"},
      {"slices: {cores: [1], threads: [1]}",
       "f.yaml:1: slices.threads: an entry has slices of one kind, and this one has cores already; "
       "write a list of entries"},
      {"engine: null",
       "f.yaml:1: engine: names no engine; the one that is called null needs quotes: engine: "
       "\"null\""},
      {"slices: []", "f.yaml:1: slices: is an empty list; leave it out for automatic slices"},
      {"slices:\n- {name: a}\n",
       "f.yaml:2: slices[0]: says no kind of slices: one of cores, threads, mps, sm or profile "
       "(MIG)"},
      {"slices: [{mps: [50, 0]}]",
       "f.yaml:1: slices[0].mps: should be a whole number from 1 to 100, and is '0'"},
      {"slices: [{mps: [50, -5]}]",
       "f.yaml:1: slices[0].mps: should be a whole number from 1 to 100, and is '-5'"},
      {"slices: [{mps: 120x2}]",
       "f.yaml:1: slices[0].mps: '120x2': a fleet has from 1 to 256 slices of 1 to 100 percent"},
      {"slices: [{mps: [50, 25, 25], memory: [1GiB, 2GiB]}]",
       "f.yaml:1: slices[0]: memory has 2 values for 3 slices; write one, or one for each"},
      {"slices: [{sm: [16, 16], memory: 1GiB}]",
       "f.yaml:1: slices[0]: memory: green contexts share one process and its memory; mps has "
       "limits"},
      {"slices: [{profile: 1g.10gb, memory: 1GiB}]",
       "f.yaml:1: slices[0]: memory: a MIG profile says itself how much it has"},
      {"slices: [{cores: [1], device: 1}]",
       "f.yaml:1: slices[0]: device is for GPU slices, and cores are of the CPU"},
      {"slices: [{mps: [50], count: 2}]",
       "f.yaml:1: slices[0]: count goes with profile (MIG); mps has sizes"},
      {"slices: [{profile: 1g.10gb, count: 0}]",
       "f.yaml:1: slices[0].count: should be a whole number from 1 to 256, and is '0'"},
      {"slices: [{cores: [1], name: a}, {cores: [1], name: a}]",
       "f.yaml:1: slices[1]: another entry has the name 'a'"},
      {"slices: [{profile: a, count: 200}, {profile: b, count: 57}]",
       "f.yaml:1: slices[1]: more than 256 slices"},
      {"slices: [{core: [1]}]", "f.yaml:1: slices[0]: unknown key 'core'; did you mean 'cores'?"},
      {"models: {flower: {on: []}}",
       "f.yaml:1: models.flower.on: should be a list of slices' names, profiles or kinds, such as "
       "[big, 1g.10gb, mps], and is a list"},
      {"slices: 0", "f.yaml:1: slices: '0': a fleet has from 1 to 256 slices"},
      {"tls: {certificate: a.pem}", "f.yaml:1: tls: certificate and key must be given together"},
      {"name: a/b", "f.yaml:1: name: should be at most 64 letters, digits, '-', '_' or '.'"},
      {"log: {format: xml}", "f.yaml:1: log.format: should be human or json, and is 'xml'"},
  };
  for (const auto& c : kCases) EXPECT_EQ(refusal(c.text), c.sentence) << c.text;
}

TEST(Config, RefusesWhatIsNoYaml) {
  for (const char* text : {"a: [", "a: b: c", "{", "\"", "- a\nb: c", "a: !!int &x"})
    EXPECT_THAT(refusal(text), StartsWith("f.yaml:")) << text;
  EXPECT_THAT(refusal(std::string(100000, '[')), StartsWith("f.yaml"));
  EXPECT_THAT(refusal(std::string(2 << 20, ' ')), HasSubstr("such a file has at most 1048576"));
}

TEST(Config, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(read_config_file("/nowhere/f.yaml").error().what,
              HasSubstr("/nowhere/f.yaml: No such file"));
  EXPECT_THAT(read_config_file("/tmp").error().what, HasSubstr("is a folder"));
}

TEST(Slices, ReadsWhatTheCommandLineSays) {
  const auto wish = [](std::string_view text) {
    const auto entries = parse_slices(text);
    EXPECT_TRUE(entries.ok() && entries->size() == 1) << text;
    return entries.ok() && entries->size() == 1 ? entries->front().wish : slice::SliceWish();
  };
  EXPECT_THAT(*parse_slices("auto"), IsEmpty());
  EXPECT_EQ(wish("3"), (slice::SliceWish{"cores", {1, 1, 1}, "", 0, 0, {}}));
  EXPECT_EQ(wish("cores:2x1"), (slice::SliceWish{"cores", {1, 1}, "", 0, 0, {}}));
  EXPECT_THAT(wish("cores:2x4,1").sizes, ElementsAre(4, 4, 1));
  EXPECT_THAT(wish("cores:4*2").sizes, ElementsAre(4, 4));
  EXPECT_EQ(wish("threads:8").kind, "threads");
  EXPECT_THAT(wish("mps:50,25,25").sizes, ElementsAre(50, 25, 25));
  // On a GPU the size comes first, as in 1g.10gb*7.
  EXPECT_THAT(wish("mps:14x7").sizes, Each(14));
  EXPECT_EQ(wish("mps:14x7").sizes.size(), 7u);
  EXPECT_THAT(wish("sm:16,16,100").sizes, ElementsAre(16, 16, 100));
  EXPECT_EQ(wish("mig:1g.10gb*7"), (slice::SliceWish{"mig", {}, "1g.10gb", 7, 0, {}}));
  EXPECT_EQ(wish("mig:7g.80gb").count, 1u);
  for (const char* bad : {"",           "x",         "cores", "cores:",           "cores:x",
                          "cores:0x1",  "cores:1x0", "-1",    "cores:99999999x1", "gpus:1",
                          "cores:1,,1", "cores:1,",  "mps:0", "mps:101",          "mps:-1",
                          "mps:14x257", "sm:",       "mig:",  "mig:1g.10gb*",     "mig:1g.10gb*0",
                          "mig:*7"})
    EXPECT_FALSE(parse_slices(bad).ok()) << bad;
}

TEST(Slices, AListMixesKindsDevicesAndEngines) {
  const auto config = read(R"(
engine: {name: openvino, options: {precision: f32}}
slices:
- {profile: 1g.10gb, count: 7}
- {mps: [50, 25, 25], device: 1, memory: [20GiB, 10GiB, 10GiB], name: shares}
- {sm: "16x2,100", device: 2, engine: {name: cuda, options: {graph: on}}}
- {cores: [4, 4, 2], memory: 4GiB}
- {threads: 2x1, engine: "null", name: pretend}
models:
  flower: {on: [1g.10gb, shares], slices: 3}
  rose: {on: cores}
)");
  ASSERT_TRUE(config.ok()) << config.error().what;
  const auto& s = config->slices;
  ASSERT_EQ(s.size(), 5u);
  EXPECT_EQ(s[0].wish, (slice::SliceWish{"mig", {}, "1g.10gb", 7, 0, {}}));
  EXPECT_EQ(
      s[1].wish,
      (slice::SliceWish{"mps", {50, 25, 25}, "", 0, 1, {20ull << 30, 10ull << 30, 10ull << 30}}));
  EXPECT_EQ(s[1].name, "shares");
  EXPECT_EQ(s[2].wish, (slice::SliceWish{"sm", {16, 16, 100}, "", 0, 2, {}}));
  EXPECT_THAT(s[3].wish.memory, ElementsAre(4ull << 30, 4ull << 30, 4ull << 30));
  EXPECT_THAT(config->models.at("flower").on, ElementsAre("1g.10gb", "shares"));
  EXPECT_THAT(config->models.at("rose").on, ElementsAre("cores"));

  // CPUs have the fleet's engine and its options; GPUs have cuda unless told.
  EXPECT_EQ(engine_of(*config, s[0]), (EngineWish{"cuda", {}}));
  EXPECT_EQ(engine_of(*config, s[2]),
            (EngineWish{"cuda", {{"graph", "on"}, {"green", "16,16,100"}}}));
  EXPECT_EQ(engine_of(*config, s[3]), (EngineWish{"openvino", {{"precision", "f32"}}}));
  EXPECT_EQ(engine_of(*config, s[4]), (EngineWish{"null", {}}));
  FleetConfig null = *config;
  null.engine = "null";
  EXPECT_EQ(engine_of(null, s[0]).name, "null");
}

// docs/corolla-yaml.md shows a whole file; it must be one that is accepted, and name every default
// as it is.
TEST(Config, TheDocumentedFileIsTheDefault) {
  std::ifstream file(COROLLA_SOURCE_DIR "/docs/corolla-yaml.md");
  ASSERT_TRUE(file) << "docs/corolla-yaml.md is missing";
  std::ostringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const size_t begin = text.find("```yaml\n");
  const size_t end = text.find("```", begin + 8);
  ASSERT_NE(end, std::string::npos);
  const auto config = read_config(text.substr(begin + 8, end - begin - 8), "docs", "");
  ASSERT_TRUE(config.ok()) << config.error().what;
  FleetConfig expected;
  expected.models = config->models;  // an example; the default is every model
  EXPECT_EQ(*config, expected);
}

}  // namespace
}  // namespace corolla::fleet
