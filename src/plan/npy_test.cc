#include "plan/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace corolla::plan {
namespace {

using testing::HasSubstr;

std::string npy(const std::string& header, const std::string& data, char major = 1) {
  std::string text = "\x93NUMPY";
  text += major;
  text += '\0';
  text += static_cast<char>(header.size() & 255);
  text += static_cast<char>(header.size() >> 8);
  if (major > 1) text += std::string(2, '\0');
  return text + header + data;
}

Result<Tensor> parse(const std::string& text) {
  const auto owner = std::make_shared<std::string>(text);
  return parse_npy(std::as_bytes(std::span(owner->data(), owner->size())), owner);
}

TEST(Npy, ComesBackAsItWas) {
  const std::string path = testing::TempDir() + "/x.npy";
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0}, Shape{2, 3, 4}})
    for (const DType dtype : {DType::kFp32, DType::kFp16, DType::kInt64, DType::kBool}) {
      Tensor tensor = *Tensor::make(dtype, shape);
      for (size_t i = 0; i < tensor.bytes().size(); ++i)
        tensor.writable()[i] = std::byte{i % 2 == 1};
      ASSERT_TRUE(write_npy(tensor, path).ok());
      const auto back = read_npy(path);
      ASSERT_TRUE(back.ok()) << back.error().what;
      EXPECT_EQ(back->dtype(), dtype);
      EXPECT_EQ(back->shape(), shape);
      EXPECT_EQ(back->doubles(), tensor.doubles());
    }
  std::filesystem::remove(path);
}

TEST(Npy, ReadsWhatNumpyWrites) {
  const std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }          \n";
  for (const char major : {1, 2, 3}) {
    const auto tensor = parse(npy(header, std::string("\0\0\x80\x3f\0\0\0\x40", 8), major));
    ASSERT_TRUE(tensor.ok()) << tensor.error().what;
    EXPECT_EQ(tensor->floats(), (std::vector<float>{1, 2}));
  }
}

TEST(Npy, SaysWhatIsWrong) {
  const auto refusal = [](const std::string& text) {
    const auto tensor = parse(text);
    return tensor.ok() ? "" : tensor.error().what;
  };
  EXPECT_THAT(refusal("hello, world"), HasSubstr("no .npy file"));
  EXPECT_THAT(refusal(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "12345678")),
              HasSubstr("<c8"));
  EXPECT_THAT(refusal(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "1234")),
              HasSubstr(">f4"));
  EXPECT_THAT(refusal(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", "1234")),
              HasSubstr("Fortran"));
  EXPECT_THAT(refusal(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "1234")),
              HasSubstr("8 bytes"));
  EXPECT_THAT(
      refusal(
          npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "")),
      HasSubstr("shape"));
  EXPECT_THAT(refusal(npy("{'descr': '<f4', 'shape': (4611686018427387904, 4), }", "")),
              HasSubstr("63 bits"));
  EXPECT_THAT(refusal(npy("{'descr': '<f4', 'shape': (1, ", "")), HasSubstr("shape"));
  EXPECT_THAT(refusal(npy("{'fortran_order': False}", "")), HasSubstr("no type"));
  std::string cut = npy("{'descr': '<f4', 'shape': (1,), }", "1234");
  EXPECT_THAT(refusal(cut.substr(0, 20)), HasSubstr("cut off"));
  EXPECT_EQ(read_npy("/none.npy").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace corolla::plan
