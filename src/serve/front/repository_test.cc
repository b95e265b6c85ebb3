#include "serve/front/repository.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace corolla::front {
namespace {

namespace fs = std::filesystem;

class RepositoryTest : public ::testing::Test {
 protected:
  RepositoryTest() {
    std::string pattern = (fs::temp_directory_path() / "corolla-repository-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~RepositoryTest() override { fs::remove_all(root_); }

  void put(const std::string& path, const std::string& text = "x") {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  Repository open(std::map<std::string, std::string> parameters = {}) {
    auto repository = Repository::open(root_.string(), std::move(parameters));
    EXPECT_TRUE(repository.ok());
    return *std::move(repository);
  }
  ModelEntry entry(const std::string& name, const std::vector<int64_t>& versions = {}) {
    auto read = open().read(name, versions);
    EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().what);
    return read.ok() ? *read : ModelEntry();
  }
  static std::vector<int64_t> numbers(const ModelEntry& entry) {
    std::vector<int64_t> all;
    for (const auto& v : entry.versions) all.push_back(v.version);
    return all;
  }

  fs::path root_;
};

TEST_F(RepositoryTest, OneCorruptModelDoesNotHideTheOthers) {
  put("good/1/model.onnx");
  put("typo/1/model.onnx");
  put("typo/config.pbtxt", "max_bach_size: 8");
  put("empty/config.pbtxt", "");
  put("nofile/1/readme.txt");
  put("wrongname/1/model.onnx");
  put("wrongname/config.pbtxt", "name: \"other\"");
  put("binary/1/model.onnx");
  put("binary/config.pbtxt", std::string("\0\xff\xfe", 3));
  put("folder/config.pbtxt/inside");
  put("folder/1/model.onnx");
  put(".hidden/1/model.onnx");
  put("stray.txt");
  auto entries = open().scan();
  ASSERT_TRUE(entries.ok()) << entries.error().what;
  std::map<std::string, std::string> problems;
  for (const auto& e : *entries) problems[e.name] = e.problem;
  EXPECT_EQ(problems.size(), 7u);
  EXPECT_EQ(problems["good"], "");
  EXPECT_NE(problems["typo"].find("line 1"), std::string::npos) << problems["typo"];
  EXPECT_NE(problems["empty"].find("no version"), std::string::npos) << problems["empty"];
  EXPECT_NE(problems["nofile"].find("model.onnx"), std::string::npos) << problems["nofile"];
  EXPECT_NE(problems["wrongname"].find("'other'"), std::string::npos) << problems["wrongname"];
  EXPECT_NE(problems["binary"], "");
  EXPECT_NE(problems["folder"].find("regular file"), std::string::npos) << problems["folder"];
}

TEST_F(RepositoryTest, FollowsTheVersionPolicy) {
  for (const char* v : {"1", "2", "10", "x", "01", "0", "99999999999999999999"})
    put(std::string("m/") + v + "/model.onnx");
  EXPECT_EQ(entry("m").all_versions, (std::vector<int64_t>{1, 2, 10}));
  EXPECT_EQ(numbers(entry("m")), (std::vector<int64_t>{10})) << "the latest, by number";
  put("m/config.pbtxt", "version_policy { latest { num_versions: 2 } }");
  EXPECT_EQ(numbers(entry("m")), (std::vector<int64_t>{2, 10}));
  put("m/config.pbtxt", "version_policy { all { } }");
  EXPECT_EQ(numbers(entry("m")), (std::vector<int64_t>{1, 2, 10}));
  put("m/config.pbtxt", "version_policy { specific { versions: [2, 1] } }");
  EXPECT_EQ(numbers(entry("m")), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(numbers(entry("m", {10})), (std::vector<int64_t>{10}));
  put("m/config.pbtxt", "version_policy { specific { versions: [3] } }");
  EXPECT_NE(entry("m").problem.find("version 3"), std::string::npos);
}

TEST_F(RepositoryTest, FindsTheModelFile) {
  put("ir/3/model.xml");
  EXPECT_EQ(entry("ir").versions.at(0).path, (root_ / "ir/3/model.xml").string());
  EXPECT_EQ(entry("ir").config.platform(), "openvino_ir");
  put("named/1/net.onnx");
  put("named/config.pbtxt", "default_model_filename: \"net.onnx\"");
  EXPECT_EQ(entry("named").versions.at(0).path, (root_ / "named/1/net.onnx").string());
  put("named/config.pbtxt", "default_model_filename: \"other.onnx\"");
  EXPECT_NE(entry("named").problem.find("other.onnx"), std::string::npos);
  put("none/1/readme.txt");
  EXPECT_NE(entry("none").problem.find("none of model.onnx, model.xml and model.plan"),
            std::string::npos);
  put("planned/1/model.plan", "corolla-plan 1\n and so on");
  EXPECT_EQ(entry("planned").versions.at(0).path, (root_ / "planned/1/model.plan").string());
  EXPECT_EQ(entry("planned").config.platform(), "corolla_plan");
  put("planned/config.pbtxt", "platform: \"tensorrt_plan\"");
  EXPECT_EQ(entry("planned").versions.at(0).path, (root_ / "planned/1/model.plan").string())
      << "a configuration of Triton's, and our plan in the place of TensorRT's";
  put("other/2/model.plan", "ftrt");
  EXPECT_NE(entry("other").problem.find("corolla compile did not make"), std::string::npos);
  put("other/config.pbtxt", "platform: \"tensorrt_plan\"");
  EXPECT_EQ(entry("other").versions.at(0).path, (root_ / "other/2").string())
      << "an external server knows what its models consist of";
  EXPECT_EQ(entry("other").config.default_model_filename(), "");
  fs::create_directory_symlink(root_ / "ir", root_ / "linked");
  EXPECT_EQ(entry("linked").problem, "") << "mounted repositories are full of links";
}

TEST_F(RepositoryTest, ReadsLabels) {
  put("m/1/model.onnx");
  put("m/labels.txt", "rose\r\ntulip\n\nlily");
  put("m/config.pbtxt",
      "output [{name:\"y\" data_type:TYPE_FP32 dims:[4] label_filename:\"labels.txt\"},"
      "{name:\"z\" data_type:TYPE_FP32 dims:[4]}]");
  auto e = entry("m");
  EXPECT_EQ(e.problem, "");
  EXPECT_EQ(e.labels["y"], (std::vector<std::string>{"rose", "tulip", "", "lily"}));
  EXPECT_FALSE(e.labels.contains("z"));
  put("m/labels.txt", "\xff");
  EXPECT_NE(entry("m").problem.find("UTF-8"), std::string::npos);
  fs::remove(root_ / "m/labels.txt");
  EXPECT_NE(entry("m").problem.find("labels.txt"), std::string::npos);
}

TEST_F(RepositoryTest, NeverWaitsForAPipeAndNeverLeavesTheFolder) {
  put("m/1/model.onnx");
  ASSERT_EQ(mkfifo((root_ / "m/config.pbtxt").c_str(), 0600), 0);
  EXPECT_NE(entry("m").problem.find("regular file"), std::string::npos);
  auto repository = open();
  for (std::string name : {"../m", "m/../m", "/etc", ".", "..", "", "m/1", ".git", "a\xff"})
    EXPECT_EQ(repository.read(name).error().code, Code::kInvalidArgument) << name;
  EXPECT_EQ(repository.read(std::string("m\0x", 3)).error().code, Code::kInvalidArgument);
  EXPECT_EQ(repository.read(std::string(300, 'm')).error().code, Code::kInvalidArgument);
  EXPECT_EQ(repository.read("none").error().code, Code::kNotFound);
}

TEST_F(RepositoryTest, ParametersComeFromOutsideToo) {
  put("flower/1/model.onnx");
  put("flower/config.pbtxt", "input [{name:\"x\" data_type:TYPE_FP32 dims:[3,8,8]}]");
  auto read = open({{"flower.image", "u8"}, {"flow.image", "no"}}).read("flower");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->problem, "");
  EXPECT_EQ(read->config.parameters().at("image").string_value(), "u8");
  EXPECT_EQ(read->config.parameters().size(), 1u);
}

TEST_F(RepositoryTest, SaysWhenTheFolderIsNotThere) {
  auto gone = Repository::open((root_ / "none").string());
  EXPECT_EQ(gone.error().code, Code::kNotFound);
  auto repository = open();
  fs::remove_all(root_);
  auto scan = repository.scan();
  EXPECT_TRUE(!scan.ok() || scan->empty());
}

}  // namespace
}  // namespace corolla::front
