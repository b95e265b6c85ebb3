#include "plan/npy.h"

#include <charconv>
#include <cstring>
#include <fstream>

#include "plan/mapped_file.h"

namespace corolla::plan {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Descr {
  std::string_view text;
  DType dtype;
};

constexpr Descr kTypes[] = {
    {"|b1", DType::kBool},   {"|u1", DType::kUint8},  {"<u2", DType::kUint16},
    {"<u4", DType::kUint32}, {"<u8", DType::kUint64}, {"|i1", DType::kInt8},
    {"<i2", DType::kInt16},  {"<i4", DType::kInt32},  {"<i8", DType::kInt64},
    {"<f2", DType::kFp16},   {"<f4", DType::kFp32},   {"<f8", DType::kFp64},
};

Error wrong(std::string what) { return {Code::kInvalidArgument, std::move(what)}; }

// What follows "'key':" in the header's dictionary, which numpy writes in one way only.
std::string_view after_key(std::string_view header, std::string_view key) {
  const size_t at = header.find("'" + std::string(key) + "':");
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + key.size() + 3);
  while (!header.empty() && header[0] == ' ') header.remove_prefix(1);
  return header;
}

Result<Shape> shape_of(std::string_view header) {
  std::string_view text = after_key(header, "shape");
  if (text.empty() || text[0] != '(') return wrong("the .npy header has no shape");
  text.remove_prefix(1);
  Shape shape;
  while (!text.empty() && text[0] != ')') {
    int64_t dim = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), dim);
    if (parsed.ec != std::errc() || dim < 0 || shape.size() >= 32)
      return wrong("the .npy header's shape cannot be read");
    shape.push_back(dim);
    text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
    while (!text.empty() && (text[0] == ',' || text[0] == ' ' || text[0] == 'L'))
      text.remove_prefix(1);
  }
  if (text.empty()) return wrong("the .npy header's shape does not end");
  return shape;
}

}  // namespace

Result<Tensor> parse_npy(std::span<const std::byte> file, std::shared_ptr<const void> owner) {
  if (file.size() < 10 || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    return wrong("this is no .npy file");
  const auto major = static_cast<int>(file[6]);
  const size_t length_bytes = major == 1 ? 2 : 4;
  if (major < 1 || major > 3 || file.size() < 8 + length_bytes)
    return wrong("the .npy file is of version " + std::to_string(major));
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) length |= static_cast<size_t>(file[8 + i]) << (8 * i);
  const size_t begin = 8 + length_bytes;
  if (length > file.size() - begin) return wrong("the .npy file is cut off in its header");
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + begin, length);
  std::string_view descr = after_key(header, "descr");
  if (descr.size() < 5 || descr[0] != '\'') return wrong("the .npy header has no type");
  descr.remove_prefix(1);
  descr = descr.substr(0, descr.find('\''));
  const Descr* type = nullptr;
  for (const Descr& d : kTypes)
    if (d.text == descr) type = &d;
  if (type == nullptr)
    return wrong("the .npy file holds '" + std::string(descr) + "', which is not supported");
  ASSIGN_OR_RETURN(Shape shape, shape_of(header));
  if (after_key(header, "fortran_order").starts_with("True") && shape.size() > 1)
    return wrong("the .npy file is in Fortran order; save it with numpy.ascontiguousarray");
  auto tensor =
      Tensor::view(type->dtype, std::move(shape), std::move(owner), file.subspan(begin + length));
  if (!tensor.ok()) return wrong("the .npy file does not fit its header: " + tensor.error().what);
  return tensor;
}

Result<Tensor> read_npy(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path, "the input"));
  auto tensor = parse_npy(file->bytes(), file);
  if (tensor.ok()) return tensor;
  return wrong(path.string() + ": " + tensor.error().what);
}

Status write_npy(const Tensor& given, const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Tensor tensor,
                   given.dtype() == DType::kBf16 ? cast(given, DType::kFp32) : Result(given));
  std::string_view descr;
  for (const Descr& d : kTypes)
    if (d.dtype == tensor.dtype()) descr = d.text;
  std::string shape;
  for (const int64_t d : tensor.shape()) shape += std::to_string(d) + ", ";
  if (tensor.shape().size() > 1) shape.resize(shape.size() - 2);
  if (tensor.shape().size() == 1) shape.resize(shape.size() - 1);
  std::string header =
      "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // elements begin at a multiple of 64
  header += '\n';
  std::ofstream out(path, std::ios::binary);
  out.write(kMagic.data(), static_cast<std::streamsize>(kMagic.size()));
  const char rest[] = {1, 0, static_cast<char>(header.size() & 255),
                       static_cast<char>(header.size() >> 8)};
  out.write(rest, sizeof rest);
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  out.write(reinterpret_cast<const char*>(tensor.bytes().data()),
            static_cast<std::streamsize>(tensor.bytes().size()));
  out.flush();
  if (!out)
    return Error{Code::kInternal, path.string() + " cannot be written: " + std::strerror(errno)};
  return ok();
}

}  // namespace corolla::plan
