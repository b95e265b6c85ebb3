// clang-format off
#include <stdio.h>  // which jpeglib.h needs and does not include

#include <jpeglib.h>
// clang-format on
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "load/picture.h"

namespace corolla::load {
namespace {

constexpr int64_t kMaxPixels = 100'000'000;

Error bad(std::string what) {
  return {Code::kInvalidArgument, "the picture cannot be decoded: " + std::move(what)};
}

Status check_size(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) return bad("it has no pixels");
  if (width * height > kMaxPixels)
    return Error{Code::kTooLarge, "the picture has " + std::to_string(width) + "x" +
                                      std::to_string(height) + " pixels; at most " +
                                      std::to_string(kMaxPixels) + " are taken"};
  return ok();
}

struct JpegErrors {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  jmp_buf back;
  char text[JMSG_LENGTH_MAX];
};

void jpeg_failed(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  (*info->err->format_message)(info, errors->text);
  longjmp(errors->back, 1);
}

void jpeg_quiet(j_common_ptr, int) {}

// No object with a destructor may be made between setjmp and longjmp; `picture` is the caller's.
bool read_jpeg(std::span<const std::byte> file, Picture& picture, JpegErrors& errors,
               Status& size) {
  jpeg_decompress_struct info;
  info.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = jpeg_failed;
  errors.manager.emit_message = jpeg_quiet;
  if (setjmp(errors.back) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&info, TRUE);
  size = check_size(info.image_width, info.image_height);
  if (size.ok()) {
    info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&info);
    picture.width = static_cast<int>(info.output_width);
    picture.height = static_cast<int>(info.output_height);
    picture.rgb.resize(static_cast<size_t>(picture.width) * picture.height * 3);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row =
          picture.rgb.data() + static_cast<size_t>(info.output_scanline) * picture.width * 3;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  }
  jpeg_destroy_decompress(&info);
  return true;
}

Result<Picture> decode_jpeg(std::span<const std::byte> file) {
  Picture picture;
  JpegErrors errors{};
  Status size = ok();
  if (!read_jpeg(file, picture, errors, size)) return bad(errors.text);
  RETURN_IF_ERROR(std::move(size));
  return picture;
}

Result<Picture> decode_png(std::span<const std::byte> file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&image, file.data(), file.size()))
    return bad(image.message);
  Status size = check_size(image.width, image.height);
  if (!size.ok()) {
    png_image_free(&image);
    return size.error();
  }
  image.format = PNG_FORMAT_RGB;
  Picture picture{static_cast<int>(image.width), static_cast<int>(image.height), {}};
  picture.rgb.resize(PNG_IMAGE_SIZE(image));
  png_color white{255, 255, 255};  // what lies behind transparent pixels
  if (!png_image_finish_read(&image, &white, picture.rgb.data(), 0, nullptr))
    return bad(image.message);
  return picture;
}

}  // namespace

Result<Picture> decode_picture(std::span<const std::byte> file) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  if (file.size() > 3 && bytes[0] == 0xff && bytes[1] == 0xd8) return decode_jpeg(file);
  if (file.size() > 8 && png_sig_cmp(bytes, 0, 8) == 0) return decode_png(file);
  return bad("it is neither JPEG nor PNG");
}

}  // namespace corolla::load
